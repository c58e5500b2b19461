// Build the widget into ../static: no network, no eval.
//
//   widget.js                   the loader, which pages name in their script tag
//   widget/main-HASH.js         the widget itself
//   widget/NAME-HASH.js         a part of src/parts, fetched when it is first used
//   widget/LOCALE-HASH.json     the words of a language other than English
//   widget/chatpush-sw.js       the service worker, for Web Push
//   widget/manifest.json        what was built of what (see verify.py)
//
//   node build.mjs              write the files
//   node build.mjs --check      build in memory and fail when a committed file differs or is too big
//   node build.mjs --sizes      say what takes how much room in main
//
// Names carry the hash of the content, so that whoever has a file has the right one; the
// loader knows main's hash, and main those of the parts and the languages.

import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { analyzeMetafile, build, transform } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'static');
const SOURCES = ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'locales', 'src'];
// What a page that uses nothing but the launcher pays for, compressed.
const MOST_LOADER = 5 * 1024;
const MOST_WIDGET = 45 * 1024;
// Sent with the widget itself: every other language falls back on it.
const BUNDLED_LOCALE = 'en';

async function filesBelow(path) {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => null);
  if (entries === null) return [path];
  const nested = entries.map((entry) => filesBelow(join(path, entry.name)));
  return (await Promise.all(nested)).flat();
}

// verify.py computes the same: keep the two alike.
async function sourceHash() {
  const names = (await Promise.all(SOURCES.map((name) => filesBelow(join(here, name))))).flat();
  const listed = names.map((name) => relative(here, name).split(sep).join('/')).sort();
  const hash = createHash('sha256');
  for (const name of listed) {
    const body = await readFile(join(here, name));
    hash.update(`${name}\0${body.length}\0`).update(body);
  }
  return hash.digest('hex');
}

const styles = {
  name: 'styles',
  setup(plugin) {
    plugin.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const { code } = await transform(source, { loader: 'css', minify: true, target: 'es2021' });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};

// In a part, a module of the kit is the one the widget already has.
function shared(names) {
  return {
    name: 'shared',
    setup(plugin) {
      plugin.onResolve({ filter: /^\.\.?\// }, ({ path, kind }) => {
        const name = basename(path);
        return kind === 'import-statement' && names.has(name) ? { path: name, namespace: 'kit' } : undefined;
      });
      plugin.onLoad({ filter: /.*/, namespace: 'kit' }, ({ path }) => ({
        contents: `module.exports = chatpush.kit[${JSON.stringify(path)}]`,
        loader: 'js',
      }));
    },
  };
}

async function kitNames() {
  const source = await readFile(join(here, 'src', 'kit.ts'), 'utf8');
  return new Set([...source.matchAll(/from '\.\/([\w-]+)'/g)].map(([, name]) => name));
}

async function script(entry, { define, plugins = [], globalName, banner }) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'iife',
    globalName,
    target: 'es2020',
    charset: 'utf8',
    legalComments: 'none',
    define,
    plugins: [styles, ...plugins],
    logLevel: 'warning',
  });
  return { code: Buffer.from(banner + result.outputFiles[0].text), metafile: result.metafile };
}

function named(name, extension, body) {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 12);
  const integrity = `sha384-${createHash('sha384').update(body).digest('base64')}`;
  return [`${name}-${hash}.${extension}`, integrity];
}

const zipped = (body) => gzipSync(body, { level: 9 }).length;

// Everything that is built: by path below static.
async function bundle() {
  const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
  const banner = `/*! chatpush widget ${version} | Apache-2.0 */\n`;
  const define = { __VERSION__: JSON.stringify(version) };
  const files = new Map();
  const add = (name, extension, body) => {
    const [file, integrity] = named(name, extension, body);
    files.set(`widget/${file}`, body);
    return [file, integrity];
  };

  const locales = {};
  for (const file of (await readdir(join(here, 'locales'))).sort()) {
    const name = basename(file, '.json');
    if (name === BUNDLED_LOCALE) continue;
    const words = JSON.parse(await readFile(join(here, 'locales', file), 'utf8'));
    locales[name] = add(name, 'json', Buffer.from(JSON.stringify(words)));
  }

  const plugins = [shared(await kitNames())];
  const parts = {};
  for (const file of (await readdir(join(here, 'src', 'parts'))).sort()) {
    const name = basename(file, '.ts');
    const globalName = `chatpush.parts[${JSON.stringify(name)}]`;
    const { code } = await script(join('src', 'parts', file), { define, plugins, globalName, banner });
    parts[name] = add(name, 'js', code);
  }

  define.__PARTS__ = JSON.stringify(parts);
  define.__LOCALES__ = JSON.stringify(locales);
  const main = await script('src/main.ts', { define, banner });
  define.__MAIN__ = JSON.stringify(add('main', 'js', main.code));
  files.set('widget.js', (await script('src/loader.ts', { define, banner })).code);
  files.set('widget/chatpush-sw.js', (await script('src/service-worker.ts', { define, banner })).code);

  const hashes = [...files].map(([name, body]) => [name, createHash('sha256').update(body).digest('hex')]);
  const manifest = { source: await sourceHash(), files: Object.fromEntries(hashes.sort()) };
  files.set('widget/manifest.json', Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`));
  return { files, main: JSON.parse(define.__MAIN__)[0], metafile: main.metafile };
}

function tooBig(files, main) {
  const loader = zipped(files.get('widget.js'));
  const widget = zipped(files.get(`widget/${main}`));
  console.log(`gzip -9: loader ${loader} of at most ${MOST_LOADER}, widget ${widget} of at most ${MOST_WIDGET}`);
  return loader > MOST_LOADER || widget > MOST_WIDGET;
}

async function built() {
  const below = (await filesBelow(join(target, 'widget'))).filter((path) => path !== join(target, 'widget'));
  return ['widget.js', ...below.map((path) => relative(target, path).split(sep).join('/'))];
}

async function differing(files) {
  const found = [];
  for (const name of new Set([...files.keys(), ...(await built())])) {
    const committed = await readFile(join(target, name)).catch(() => null);
    if (!committed || !files.has(name) || !committed.equals(files.get(name))) found.push(name);
  }
  return found;
}

const { files, main, metafile } = await bundle();
const changed = await differing(files);
if (process.argv.includes('--sizes')) console.log(await analyzeMetafile(metafile));
if (process.argv.includes('--check')) {
  if (changed.length) console.error(`not what the source builds: ${changed.join(', ')}; run \`npm run build\`.`);
  process.exit(changed.length || tooBig(files, main) ? 1 : 0);
}
await mkdir(join(target, 'widget'), { recursive: true });
for (const name of changed) {
  if (files.has(name)) await writeFile(join(target, name), files.get(name));
  else await rm(join(target, name));
}
for (const [name, body] of files) console.log(`${name}  ${body.length}  gzip ${zipped(body)}`);
if (tooBig(files, main)) process.exit(1);
