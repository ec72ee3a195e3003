/**
 * The panel and the agent's cells in JupyterLab and Jupyter Notebook.
 */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { cellsPlugin } from './plugins/cells';
import { managerPlugin } from './plugins/manager';
import { panelPlugin } from './plugins/panel';

const plugins: JupyterFrontEndPlugin<unknown>[] = [managerPlugin, panelPlugin, cellsPlugin];

export default plugins;
export { ICodeActManager } from './tokens';
