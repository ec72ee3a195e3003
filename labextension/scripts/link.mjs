// Links the built panel into a Python environment, so that a rebuild and a page reload show a change.
// Usage: npm run link [-- path/to/python]
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { name } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'));
const python = process.argv[2] ?? 'python';
const asked = spawnSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' });
if (asked.status !== 0) {
  console.error(`${python} does not run; name one: npm run link -- path/to/python`);
  process.exit(1);
}
const link = resolve(asked.stdout.trim(), 'share/jupyter/labextensions', name);
mkdirSync(dirname(link), { recursive: true });
rmSync(link, { recursive: true, force: true });
symlinkSync(resolve(root, '../codeact_kernel/labextension'), link, 'dir');
console.log(`${link} shows what is built here.`);
