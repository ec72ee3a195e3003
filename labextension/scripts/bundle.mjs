// Bundles lib/ into a prebuilt extension with JupyterLab's own builder. Needs Node only, no Python.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const builder = resolve(
  dirname(require.resolve('@jupyter/builder/package.json')),
  'lib/build-labextension.js'
);
const core = require.resolve('@jupyterlab/core-meta/core.package.json');
const args = [builder, '--core-package-file', core, ...process.argv.slice(2), root];
process.exit(spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1);
