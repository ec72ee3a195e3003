/**
 * Shows which cells of a notebook are the agent's: a bar at the left and a chip, whatever kernel the notebook has.
 */
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { chipText, chipTitle, type ICellFate, isEdited, statusOf } from './mark';
import { type CellRun, hasError, hasRun, markOf, wasStopped } from './notebook';

const CELL_CLASS = 'jp-codeact-Cell';
const CHIP_CLASS = 'jp-codeact-Chip';

type RunOf = (cellId: string) => CellRun;

export class NotebookMarks implements IDisposable {
  constructor(panel: NotebookPanel, runOf: RunOf) {
    this._panel = panel;
    this._runOf = runOf;
    panel.disposed.connect(() => this.dispose());
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        panel.content.model?.cells.changed.connect(this._soon, this);
        panel.content.modelChanged.connect(this._soon, this);
        this.refresh();
      }
    });
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Look at every cell again. */
  refresh(): void {
    for (const cell of this._panel.content.widgets) {
      const known = this._marks.get(cell);
      if (known !== undefined) {
        known.update();
      } else if (!cell.isDisposed && cell.model !== null) {
        this._marks.set(cell, new Mark(cell, this._runOf));
      }
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      Signal.clearData(this);
    }
  }

  /** The notebook makes the widgets of new cells after we hear of them. */
  private _soon(): void {
    queueMicrotask(() => {
      if (!this._isDisposed && !this._panel.isDisposed) {
        this.refresh();
      }
    });
  }

  private readonly _panel: NotebookPanel;
  private readonly _runOf: RunOf;
  private readonly _marks = new WeakMap<Cell, Mark>();
  private _isDisposed = false;
}

/** The mark of one cell; costs nothing on the user's. */
class Mark {
  constructor(cell: Cell, runOf: RunOf) {
    this._cell = cell;
    this._runOf = runOf;
    cell.model.metadataChanged.connect(this.update, this);
    cell.disposed.connect(() => Signal.clearData(this));
    this.update();
  }

  update(): void {
    const { _cell: cell } = this;
    if (cell.isDisposed) {
      return;
    }
    const mark = markOf(cell.model);
    this._listen(mark !== null);
    cell.toggleClass(CELL_CLASS, mark !== null);
    if (mark === null) {
      this._chip?.remove();
      this._chip = null;
      cell.node.removeAttribute('data-codeact-status');
      return;
    }
    const run = this._runOf(cell.model.id);
    const fate: ICellFate = {
      failed: hasError(cell.model),
      ran: hasRun(cell.model),
      stopped: wasStopped(cell.model, run),
      edited: isEdited(mark, cell.model.sharedModel.getSource()),
      open: run === 'open'
    };
    const chip = (this._chip ??= this._makeChip());
    const text = chipText(mark, fate);
    const title = chipTitle(mark, fate);
    if (chip.textContent !== text) {
      chip.textContent = text;
    }
    if (chip.title !== title) {
      chip.title = title;
    }
    cell.node.setAttribute('data-codeact-role', mark.role);
    cell.node.setAttribute('data-codeact-status', statusOf(mark, fate));
  }

  private _makeChip(): HTMLElement {
    const chip = document.createElement('span');
    chip.className = CHIP_CLASS;
    chip.setAttribute('role', 'note');
    chip.setAttribute('data-testid', 'codeact-chip');
    this._cell.node.appendChild(chip);
    return chip;
  }

  /** Hear of changes to an agent's cell only. */
  private _listen(listen: boolean): void {
    if (listen === this._listening) {
      return;
    }
    this._listening = listen;
    const { model } = this._cell;
    if (listen) {
      model.contentChanged.connect(this.update, this);
      model.stateChanged.connect(this.update, this);
    } else {
      model.contentChanged.disconnect(this.update, this);
      model.stateChanged.disconnect(this.update, this);
    }
  }

  private readonly _cell: Cell;
  private readonly _runOf: RunOf;
  private _chip: HTMLElement | null = null;
  private _listening = false;
}
