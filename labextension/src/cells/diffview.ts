/**
 * The agent's proposal for a cell of the user's: what would change, and the choice.
 */
import type { Cell } from '@jupyterlab/cells';
import { checkIcon, closeIcon, type LabIcon, refreshIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { type PanelLayout, Widget } from '@lumino/widgets';

import type { ProposalEvent } from '../protocol';
import { compare, type Row } from './difference';

const CLASS = 'jp-codeact-Proposal';

/** What a cell's undo history has, as far as it is needed here. */
interface IUndoes {
  /** Later changes are steps of their own. */
  stopCapturing(): void;
}

export class ProposalView extends Widget {
  /** `close` is called once the user has decided. */
  constructor(cell: Cell, proposal: ProposalEvent, close: () => void) {
    super();
    this._cell = cell;
    this._source = proposal.source;
    this._base = proposal.base;
    this._close = close;
    this.addClass(CLASS);
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', 'Change proposed by CodeAct');
    this.node.setAttribute('data-testid', 'codeact-proposal');
    // The notebook's own keys and selection by mouse stay out of it.
    this.node.dataset.lmSuppressShortcuts = 'true';
    cell.model.sharedModel.changed.connect(this._onCellChanged, this);
    this._render();
  }

  /** The proposed source. */
  get source(): string {
    return this._source;
  }

  /** Put the view below the cell's input. */
  attach(): void {
    const layout = this._cell.layout as PanelLayout;
    const input = layout.widgets.findIndex(widget => widget.hasClass('jp-Cell-inputWrapper'));
    layout.insertWidget(input + 1, this);
  }

  /** Replace the cell's source, if it is still what the proposal was made from; says whether it did. */
  accept(): boolean {
    if (this._stale()) {
      this._render();
      return false;
    }
    this._closing = true;
    const shared: Cell['model']['sharedModel'] & { undoManager?: IUndoes | null } =
      this._cell.model.sharedModel;
    // What the user has just typed is taken back by itself.
    shared.undoManager?.stopCapturing();
    shared.setSource(this._source);
    shared.undoManager?.stopCapturing();
    this._close();
    return true;
  }

  /** Drop the proposal. */
  reject(): void {
    this._close();
  }

  override dispose(): void {
    if (!this.isDisposed && this._cell.model !== null) {
      this._cell.model.sharedModel.changed.disconnect(this._onCellChanged, this);
    }
    super.dispose();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    for (const type of ['mousedown', 'pointerdown', 'dblclick', 'keydown']) {
      this.node.addEventListener(type, keepWithin);
    }
  }

  private _stale(): boolean {
    return this._cell.model.sharedModel.getSource() !== this._base;
  }

  private _onCellChanged(): void {
    if (!this._closing && !this.isDisposed && this._stale() !== this._shownStale) {
      this._render();
    }
  }

  /** Make the present source what the proposal is compared with. */
  private _rebase(): void {
    this._base = this._cell.model.sharedModel.getSource();
    this._render();
    this.node.querySelector<HTMLElement>(`.${CLASS}-accept`)?.focus({ preventScroll: true });
  }

  private _render(): void {
    const stale = (this._shownStale = this._stale());
    const difference = compare(this._base, this._source);
    const bar = element('div', `${CLASS}-bar`);
    const title = element('span', `${CLASS}-title`, 'CodeAct proposes a change to this cell');
    const count = element('span', `${CLASS}-count`);
    count.append(
      element('span', `${CLASS}-added`, `+${difference.added}`),
      ' ',
      element('span', `${CLASS}-removed`, `−${difference.removed}`)
    );
    count.setAttribute(
      'aria-label',
      `${difference.added} lines added, ${difference.removed} removed`
    );
    bar.append(title, count, ...this._buttons(stale));
    const parts = [bar];
    if (stale) {
      const note = element(
        'div',
        `${CLASS}-note`,
        'You have changed the cell since this proposal was made, so it is not applied over your changes.'
      );
      note.setAttribute('role', 'status');
      parts.push(note);
    }
    this.node.classList.toggle('jp-mod-stale', stale);
    this.node.replaceChildren(...parts, table(difference.rows));
  }

  private _buttons(stale: boolean): HTMLElement[] {
    const accept = stale
      ? button('recompute', 'Compare with my version', refreshIcon, () => this._rebase())
      : button('accept', 'Accept', checkIcon, () => this.accept());
    return [accept, button('reject', 'Reject', closeIcon, () => this.reject())];
  }

  private readonly _cell: Cell;
  private readonly _source: string;
  private readonly _close: () => void;
  private _base: string;
  private _shownStale = false;
  private _closing = false;
}

/** The notebook takes keys and clicks in a cell for its own. */
function keepWithin(event: Event): void {
  event.stopPropagation();
}

function element(tag: string, className: string, text = ''): HTMLElement {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function button(name: string, label: string, icon: LabIcon, act: () => void): HTMLElement {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = `${CLASS}-button ${CLASS}-${name}`;
  node.setAttribute('data-testid', `codeact-proposal-${name}`);
  node.append(icon.element({ tag: 'span', width: '14px', height: '14px' }), label);
  node.addEventListener('click', act);
  return node;
}

function table(rows: readonly Row[]): HTMLElement {
  const code = element('div', `${CLASS}-diff`);
  code.setAttribute('data-testid', 'codeact-proposal-diff');
  code.tabIndex = 0;
  code.setAttribute('role', 'region');
  code.setAttribute('aria-label', 'Lines that would change');
  for (const row of rows) {
    if (row.kind === 'gap') {
      const lines = row.count === 1 ? '1 equal line' : `${row.count} equal lines`;
      code.append(element('div', `${CLASS}-line jp-mod-gap`, `⋯ ${lines}`));
      continue;
    }
    const sign = row.kind === 'added' ? '+' : row.kind === 'removed' ? '−' : ' ';
    const line = element('div', `${CLASS}-line jp-mod-${row.kind}`);
    const text = element('span', `${CLASS}-text`);
    for (const piece of row.pieces) {
      text.append(piece.changed ? element('mark', '', piece.text) : piece.text);
    }
    line.append(element('span', `${CLASS}-sign`, sign), text);
    code.append(line);
  }
  return code;
}
