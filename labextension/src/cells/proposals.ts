/**
 * Keeps the proposals of a session in view at the cells that they are for.
 */
import { Signal } from '@lumino/signaling';

import { findCell } from '../notebook';
import type { ProposalEvent } from '../protocol';
import type { CodeActSession } from '../session';
import { ProposalView } from './diffview';
import type { Follower } from './follow';

export class Proposals {
  constructor(session: CodeActSession, follower: Follower) {
    this._session = session;
    this._follower = follower;
    session.changed.connect(this._sync, this);
    session.panel.disposed.connect(() => Signal.clearData(this));
    void session.panel.context.ready.then(() => {
      session.panel.content.model?.cells.changed.connect(this._soon, this);
      this._sync();
    });
  }

  /** The proposal for a cell; null without one. */
  viewOf(cell: string): ProposalView | null {
    return this._views.get(cell)?.view ?? null;
  }

  private _soon(): void {
    queueMicrotask(() => this._sync());
  }

  private _sync(): void {
    const { panel, snapshot } = this._session;
    if (panel.isDisposed || panel.content.model === null) {
      return;
    }
    const wanted = snapshot.proposals;
    for (const [id, { proposal, view }] of this._views) {
      if (view.isDisposed || wanted[id] !== proposal) {
        view.dispose();
        this._views.delete(id);
      }
    }
    for (const proposal of Object.values(wanted)) {
      if (!this._views.has(proposal.cell_id)) {
        this._show(proposal);
      }
    }
  }

  private _show(proposal: ProposalEvent): void {
    const cell = findCell(this._session.panel.content, proposal.cell_id);
    if (cell === null || cell.isDisposed) {
      return; // another notebook's, or deleted
    }
    const view = new ProposalView(cell, proposal, () => this._drop(proposal));
    this._views.set(proposal.cell_id, { proposal, view });
    // A cell far out of view has no parts yet.
    void cell.ready.then(() => {
      if (!cell.isDisposed && !view.isDisposed) {
        const follow = this._follower.willing();
        view.attach();
        if (follow) {
          view.node.scrollIntoView({ block: 'nearest' });
        }
      }
    });
  }

  private _drop(proposal: ProposalEvent): void {
    this._session.update(snapshot => ({
      ...snapshot,
      proposals: Object.fromEntries(
        Object.entries(snapshot.proposals).filter(([, other]) => other !== proposal)
      )
    }));
    const cell = findCell(this._session.panel.content, proposal.cell_id);
    cell?.node.focus({ preventScroll: true });
  }

  private readonly _session: CodeActSession;
  private readonly _follower: Follower;
  private readonly _views = new Map<string, { proposal: ProposalEvent; view: ProposalView }>();
}
