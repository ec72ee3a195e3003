/**
 * Reading and changing the cells of an open notebook, without disturbing who works in it.
 */
import { CodeCell, type ICellModel, type ICodeCellModel } from '@jupyterlab/cells';
import type * as nbformat from '@jupyterlab/nbformat';
import type { Notebook, NotebookPanel } from '@jupyterlab/notebook';

import { findCell } from '../notebook';
import type { Run } from '../protocol';
import type { CodeActSession } from '../session';
import type { IAttempt } from './keep';
import { digest, type ICellMark, isEdited, METADATA_KEY, readMark, type Role } from './mark';

/** A cell to put into a notebook. */
export interface INewCell {
  id?: string;
  type: 'code' | 'markdown';
  source: string;
  metadata: Record<string, unknown>;
  outputs?: nbformat.IOutput[];
  executionCount?: number | null;
}

/** The mark of a cell; null for the user's. */
export function markOf(model: ICellModel): ICellMark | null {
  return readMark(model.getMetadata(METADATA_KEY));
}

/** The cells of a notebook as the pure functions want them. */
export function attempts(notebook: Notebook): IAttempt[] {
  return Array.from(notebook.model?.cells ?? [], model => {
    const mark = markOf(model);
    return {
      id: model.id,
      mark,
      failed: hasError(model),
      edited: mark !== null && isEdited(mark, model.sharedModel.getSource())
    };
  });
}

/** Whether the outputs of a cell hold an error. */
export function hasError(model: ICellModel): boolean {
  return model.type === 'code' && outputTypes(model as ICodeCellModel).includes('error');
}

/** Whether a code cell has run, or runs now. Outputs alone may be those of a page that went away meanwhile. */
export function hasRun(model: ICellModel): boolean {
  const code = model as ICodeCellModel;
  return (
    model.type === 'code' &&
    ((code.executionCount ?? null) !== null || code.executionState === 'running')
  );
}

/** What is known of the run of a cell: it is still on, or the kernel ended while the cell ran. */
export type CellRun = 'open' | 'lost' | null;

/** Whether a cell was interrupted, or cut off by the end of its kernel. */
export function wasStopped(model: ICellModel, run: CellRun): boolean {
  if (model.type !== 'code') {
    return false;
  }
  const outputs = (model as ICodeCellModel).outputs.toJSON();
  const interrupted = outputs.some(output => output.ename === 'KeyboardInterrupt');
  const begun = run === 'lost' || (run === null && outputs.length > 0);
  return interrupted || (begun && !hasRun(model));
}

function outputTypes(model: ICodeCellModel): string[] {
  return Array.from({ length: model.outputs.length }, (_, at) => model.outputs.get(at).type);
}

/** The index of a cell; -1 when the notebook has none of that id. */
export function indexOf(notebook: Notebook, id: string): number {
  return Array.from(notebook.model?.cells ?? []).findIndex(model => model.id === id);
}

/** The widget of a code cell; null when there is none. */
export function codeCellOf(notebook: Notebook, id: string): CodeCell | null {
  const widget = findCell(notebook, id);
  return widget instanceof CodeCell ? widget : null;
}

/** The `codeact` metadata of a cell whose source the agent wrote. */
export function agentMetadata(
  facts: Record<string, unknown> | undefined,
  role: Role,
  source: string
): Record<string, unknown> {
  return { role, ...facts, digest: digest(source) };
}

/**
 * Put a cell into a notebook at an index.
 *
 * The user's focus, active cell and mode stay, and so does what they look at. It is not part of their undo history:
 * what they take back is what they did.
 */
export function insertCell(notebook: Notebook, index: number, cell: INewCell): void {
  const shared = notebook.model?.sharedModel;
  if (shared === undefined) {
    throw new Error('The notebook has no content yet.');
  }
  const code = { outputs: cell.outputs ?? [], execution_count: cell.executionCount ?? null };
  const restore = holdStill(notebook, index);
  shared.transact(() => {
    shared.insertCell(index, {
      cell_type: cell.type,
      source: cell.source,
      metadata: cell.metadata as Partial<nbformat.ICellMetadata>,
      ...(cell.id === undefined ? {} : { id: cell.id }),
      ...(cell.type === 'code' ? code : {})
    });
  }, false);
  restore();
}

/** Note what the user is at; the function returned brings it back after cells came in at `index`. */
function holdStill(notebook: Notebook, index: number): () => void {
  const focused = document.activeElement;
  const outer = notebook.outerNode;
  const top = outer.getBoundingClientRect().top;
  const seen = notebook.widgets.findIndex(
    widget => widget.isAttached && widget.node.getBoundingClientRect().bottom > top
  );
  const anchor = seen >= 0 && index <= seen ? notebook.widgets[seen] : null;
  const before = anchor?.node.getBoundingClientRect().top ?? 0;
  return () => {
    if (
      focused instanceof HTMLElement &&
      focused !== document.activeElement &&
      focused.isConnected
    ) {
      focused.focus({ preventScroll: true });
    }
    if (anchor !== null) {
      window.requestAnimationFrame(() => {
        if (anchor.isAttached) {
          outer.scrollTop += anchor.node.getBoundingClientRect().top - before;
        }
      });
    }
  };
}

/** Whether a run belongs to a notebook: it names it, or its cells are there. */
export function belongs(run: Run, panel: NotebookPanel): boolean {
  const ids = [run.cell_id, ...run.steps.map(step => step.cell_id)];
  if (ids.some(id => id !== null && indexOf(panel.content, id) >= 0)) {
    return true;
  }
  return run.notebook !== null && samePath(run.notebook, panel.context.path);
}

/** Whether a path as a kernel may know it and one of the front end are of one file. */
export function samePath(kernels: string, ours: string): boolean {
  const there = kernels.replaceAll('\\', '/').replace(/^\/+|\/+$/g, '');
  const here = ours.slice(ours.indexOf(':') + 1).replace(/^\/+|\/+$/g, '');
  return there === here || ours === kernels || there.endsWith(`/${here}`);
}

/** The sessions of this page whose notebooks share a kernel with `session`, itself included. */
export function siblings(session: CodeActSession, all: Iterable<CodeActSession>): CodeActSession[] {
  const kernel = session.panel.sessionContext.session?.kernel?.id;
  return Array.from(all).filter(other => other.panel.sessionContext.session?.kernel?.id === kernel);
}
