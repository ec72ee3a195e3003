/**
 * Keeps the proposals of a session in view at the cells that they are for, until the user has decided; a reload of the
 * page does not end that.
 */
import { Signal } from '@lumino/signaling';

import { findCell } from '../notebook';
import type { KernelEvent, ProposalEvent } from '../protocol';
import type { CodeActSession } from '../session';
import { ProposalView } from './diffview';
import type { Follower } from './follow';
import type { Memory } from './memory';

export class Proposals {
  constructor(session: CodeActSession, memory: Memory, follower: Follower) {
    this._session = session;
    this._memory = memory;
    this._follower = follower;
    session.changed.connect(this._sync, this);
    session.panel.disposed.connect(() => Signal.clearData(this));
    void session.panel.context.ready.then(() => {
      session.panel.content.model?.cells.changed.connect(this._soon, this);
      this._sync();
    });
  }

  /** Take in an event of the session. */
  onEvent(event: KernelEvent): void {
    const { boot } = this._session;
    if (boot !== null && event.type === 'proposal') {
      this._forget(boot, event.cell_id);
      this._memory.add(boot, 'proposed', JSON.stringify(event));
    } else if (boot !== null && event.type === 'hello') {
      const known = Object.fromEntries(
        this._remembered(boot).map(([, proposal]) => [proposal.cell_id, proposal] as const)
      );
      this._session.update(snapshot => ({
        ...snapshot,
        proposals: { ...known, ...snapshot.proposals }
      }));
    }
  }

  private _remembered(boot: string): [text: string, proposal: ProposalEvent][] {
    const texts = [...this._memory.all(boot, 'proposed')];
    return texts.map(text => [text, JSON.parse(text) as ProposalEvent]);
  }

  private _forget(boot: string, cell: string): void {
    for (const [text, proposal] of this._remembered(boot)) {
      if (proposal.cell_id === cell) {
        this._memory.remove(boot, 'proposed', text);
      }
    }
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
    const { boot } = this._session;
    if (boot !== null) {
      this._forget(boot, proposal.cell_id);
    }
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
  private readonly _memory: Memory;
  private readonly _follower: Follower;
  private readonly _views = new Map<string, { proposal: ProposalEvent; view: ProposalView }>();
}
