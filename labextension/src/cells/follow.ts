/**
 * Brings new cells of the agent into view, unless the user is busy elsewhere in the notebook.
 */
import type { NotebookPanel } from '@jupyterlab/notebook';

import { indexOf } from './notebook';

const TYPING_MS = 5_000;
const TOUCHED_MS = 3_000;

export class Follower {
  constructor(panel: NotebookPanel) {
    this._panel = panel;
    const node = panel.content.node;
    const options = { capture: true, passive: true };
    for (const type of ['keydown', 'input', 'paste']) {
      node.addEventListener(type, () => (this._typed = Date.now()), options);
    }
    for (const type of ['pointerdown', 'wheel', 'touchmove']) {
      node.addEventListener(type, () => (this._touched = Date.now()), options);
    }
  }

  /** Whether the user would rather see the agent's next cell than what they see now. Ask before inserting. */
  willing(): boolean {
    if (!this._panel.isVisible || Date.now() - this._typed < TYPING_MS) {
      return false;
    }
    return Date.now() - this._touched > TOUCHED_MS || this._atBottom();
  }

  /** Scroll as little as needed to show a cell. */
  show(id: string): void {
    const notebook = this._panel.content;
    const index = indexOf(notebook, id);
    if (index >= 0) {
      void notebook.scrollToItem(index).catch(() => undefined);
    }
  }

  private _atBottom(): boolean {
    const widgets = this._panel.content.widgets;
    const last = widgets[widgets.length - 1];
    const bottom = this._panel.content.outerNode.getBoundingClientRect().bottom;
    return last?.isAttached && last.node.getBoundingClientRect().bottom <= bottom + 40;
  }

  private readonly _panel: NotebookPanel;
  private _typed = 0;
  private _touched = 0;
}
