/**
 * Opens saved episodes, wherever the kernel's working folder lies under the server's root.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';

import { serverPath } from './notebook';
import type { CodeActSession } from './session';

type Opener = (session: CodeActSession, path: string, known?: string) => Promise<void>;

/**
 * Open an episode by its path relative to the kernel's working folder; `known` is its path from the
 * server's root, where the kernel could tell. Rejects with a sentence when the server does not have it.
 */
export function episodeOpener(app: JupyterFrontEnd): Opener {
  const { contents } = app.serviceManager;
  return async (session, path, known) => {
    const folder = PathExt.dirname(session.panel.context.path);
    const candidates = [known, serverPath(folder, path), serverPath('', path)];
    for (const candidate of new Set(candidates)) {
      if (candidate !== undefined && (await exists(candidate))) {
        await app.commands.execute('docmanager:open', { path: candidate });
        return;
      }
    }
    throw new Error(
      `The file browser cannot reach ${path}: it lies outside of the server's folder.`
    );
  };

  async function exists(path: string): Promise<boolean> {
    try {
      await contents.get(path, { content: false });
      return true;
    } catch {
      return false;
    }
  }
}
