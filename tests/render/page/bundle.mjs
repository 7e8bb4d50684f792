// node bundle.mjs NODE_MODULES OUTPUT: the page's script and style in one file each.
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, output] = process.argv.slice(2).map((name) => path.resolve(name));
const { build } = createRequire(path.join(modules, 'any.js'))('esbuild');

await build({
  entryPoints: [path.join(import.meta.dirname, 'main.jsx')],
  outfile: output,
  bundle: true,
  nodePaths: [modules],
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.ttf': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.svg': 'dataurl', '.png': 'dataurl' },
  logLevel: 'error',
});
