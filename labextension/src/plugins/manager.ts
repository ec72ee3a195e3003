/** Provides the sessions between open notebooks and their agents. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { CodeActManager } from '../manager';
import { ICodeActManager } from '../tokens';

export const managerPlugin: JupyterFrontEndPlugin<ICodeActManager> = {
  id: 'codeact-kernel-labextension:manager',
  description: 'Keeps a session with the agent in the kernel of each open notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  provides: ICodeActManager,
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker): ICodeActManager =>
    new CodeActManager(tracker, app.serviceManager.kernels)
};
