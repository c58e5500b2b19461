// Build src/main.ts into ../static/widget.js: one file, no network, no eval.
//
//   node build.mjs           write the file
//   node build.mjs --check   build in memory and fail when the committed file differs
//   node build.mjs --watch   rebuild on every change, for development
//
// The banner carries two hashes: of the sources (so a change without a rebuild
// is noticed, also where there is no Node: see verify.py) and of the code below
// the banner (so an edit of the built file by hand is noticed).

import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, context, transform } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'static', 'widget.js');
const SOURCES = ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'locales', 'src'];

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

async function bundle() {
  const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
  const result = await build({
    ...options(version),
    write: false,
  });
  const code = result.outputFiles[0].text;
  const codeHash = createHash('sha256').update(code).digest('hex');
  const banner =
    `/*! chatpush widget ${version} | Apache-2.0 | bundles centrifuge-js (MIT)\n` +
    ` * source sha256 ${await sourceHash()}\n * code sha256 ${codeHash} */\n`;
  return banner + code;
}

function options(version) {
  return {
    absWorkingDir: here,
    entryPoints: ['src/main.ts'],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2020',
    // Names with a leading underscore are private to centrifuge and never reach the wire or the page.
    mangleProps: /^_[a-z]/,
    charset: 'utf8',
    legalComments: 'none',
    define: { __VERSION__: JSON.stringify(version) },
    plugins: [styles],
    logLevel: 'warning',
  };
}

if (process.argv.includes('--watch')) {
  const watching = await context({ ...options('0.0.0-dev'), outfile: target, sourcemap: 'inline' });
  await watching.watch();
} else {
  const built = await bundle();
  if (process.argv.includes('--check')) {
    const committed = await readFile(target, 'utf8').catch(() => '');
    if (committed !== built) {
      console.error('chatpush/web/static/widget.js does not match its source: run `npm run build`.');
      process.exit(1);
    }
    console.log('widget.js matches its source.');
  } else {
    await writeFile(target, built);
    const size = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
    console.log(`widget.js ${size(built.length)}, gzip ${size(gzipSync(built, { level: 9 }).length)}`);
  }
}
