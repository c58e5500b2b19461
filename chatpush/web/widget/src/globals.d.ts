declare const __VERSION__: string;
// [file below /widget/, integrity], put in by build.mjs.
declare const __MAIN__: [string, string];
declare const __PARTS__: Record<string, [string, string]>;
declare const __LOCALES__: Record<string, [string, string]>;

declare module '*.css' {
  const text: string;
  export default text;
}
