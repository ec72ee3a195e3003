/**
 * What the user may do with the agent's cells of a notebook.
 */
import type { NotebookPanel } from '@jupyterlab/notebook';

import { chosenRun, neighbour, supersededFailures } from './keep';
import { attempts, indexOf } from './notebook';

/** Ids of the cells that "keep only the final cells" would remove now. */
export function removable(panel: NotebookPanel): string[] {
  const cells = attempts(panel.content);
  const run = chosenRun(cells, panel.content.activeCellIndex);
  return run === null ? [] : supersededFailures(cells, run);
}

/**
 * Remove the failed attempts of a run that a later cell of it made good, as one change that the user can take back.
 *
 * It is the run of the active cell, if the agent wrote that, else the last one. Returns how many cells went.
 */
export function keepFinalCells(panel: NotebookPanel): number {
  const notebook = panel.content;
  const shared = notebook.model?.sharedModel;
  const ids = removable(panel);
  if (shared === undefined || ids.length === 0) {
    return 0;
  }
  const indices = ids.map(id => indexOf(notebook, id)).sort((a, b) => b - a);
  shared.transact(() => {
    for (const index of indices) {
      shared.deleteCell(index);
    }
  });
  return ids.length;
}

/** What to say after `keepFinalCells`. */
export function keptWords(removed: number): string {
  if (removed === 0) {
    return 'No failed attempt to remove: each cell of the agent’s last task is part of its result.';
  }
  const cells = removed === 1 ? '1 failed attempt was' : `${removed} failed attempts were`;
  return `${cells} removed. Undo (Z in command mode) brings them back; the episode keeps them.`;
}

/** Make the agent's next or previous cell the active one; says whether there is one. */
export async function selectAgentCell(panel: NotebookPanel, by: 1 | -1): Promise<boolean> {
  const notebook = panel.content;
  const index = neighbour(attempts(notebook), notebook.activeCellIndex, by);
  if (index < 0) {
    return false;
  }
  notebook.deselectAll();
  notebook.mode = 'command';
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index);
  notebook.activeCell?.node.focus({ preventScroll: true });
  return true;
}
