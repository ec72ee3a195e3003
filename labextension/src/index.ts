/**
 * The panel and the agent's cells in JupyterLab and Jupyter Notebook.
 */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { managerPlugin } from './plugins/manager';

const plugins: JupyterFrontEndPlugin<unknown>[] = [managerPlugin];

export default plugins;
export { ICodeActManager } from './tokens';
