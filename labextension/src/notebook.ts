/**
 * Where things are in a notebook: its cells by id, their errors, the way to them.
 */
import type { Cell } from '@jupyterlab/cells';
import type * as nbformat from '@jupyterlab/nbformat';
import type { Notebook, NotebookPanel } from '@jupyterlab/notebook';
import { URLExt } from '@jupyterlab/coreutils';

import type { About } from './protocol';

/** The widget of a cell, or null when the notebook has no such cell. */
export function findCell(notebook: Notebook, cellId: string): Cell | null {
  return notebook.widgets.find(cell => cell.model.id === cellId) ?? null;
}

/** Make a cell the active one and bring it into view; false when the notebook has none of that id. */
export async function goToCell(panel: NotebookPanel, cellId: string): Promise<boolean> {
  const index = panel.content.widgets.findIndex(cell => cell.model.id === cellId);
  if (index < 0) {
    return false;
  }
  panel.content.deselectAll();
  panel.content.activeCellIndex = index;
  await panel.content.scrollToItem(index, 'smart');
  return true;
}

/**
 * The cell below which a new task's cells go: the last of the agent's own cells (with the answer that follows it), or
 * the active cell where that is further down. Null in a notebook without cells.
 */
export function insertAfter(panel: NotebookPanel, own: ReadonlySet<string | null>): string | null {
  const { widgets, activeCellIndex } = panel.content;
  let last = -1;
  widgets.forEach((cell, at) => {
    const answer = last === at - 1 && cell.model.type === 'markdown' && isAgents(cell);
    if (own.has(cell.model.id) || (last >= 0 && answer)) {
      last = at;
    }
  });
  const at = Math.max(last, activeCellIndex);
  return widgets[at]?.model.id ?? null;
}

function isAgents(cell: Cell): boolean {
  return cell.model.getMetadata('codeact') !== undefined;
}

/** What a task is told about a code cell, with the error that it ended in; null for other cells. */
export function aboutCell(cell: Cell): About | null {
  if (cell.model.type !== 'code') {
    return null;
  }
  const about: About = { cell_id: cell.model.id, source: cell.model.sharedModel.getSource() };
  const error = errorOf(cell.model.toJSON() as nbformat.ICodeCell);
  return error === null ? about : { ...about, error };
}

function errorOf(cell: nbformat.ICodeCell): string | null {
  for (const output of [...cell.outputs].reverse()) {
    if (output.output_type === 'error') {
      const { ename, evalue, traceback } = output as nbformat.IError;
      const text = traceback.length > 0 ? traceback.join('\n') : `${ename}: ${evalue}`;
      // Colours of a terminal mean nothing to a model.
      return text.replace(/\u001b\[[0-9;]*m/g, '');
    }
  }
  return null;
}

/** The last line of an error, which names it. */
export function errorName(error: string): string {
  const lines = error.trimEnd().split('\n');
  return lines[lines.length - 1].trim();
}

/** A path relative to the kernel's working folder, seen from the server's root; `folder` is the notebook's. */
export function serverPath(folder: string, path: string): string {
  const joined = URLExt.join(folder, path).split('/');
  const parts: string[] = [];
  for (const part of joined) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '.' && part !== '') {
      parts.push(part);
    }
  }
  return parts.join('/');
}
