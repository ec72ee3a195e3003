/**
 * Keeps one session for each open notebook, and knows which notebook is in front.
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { ChannelPool } from './channels';
import { CodeActSession } from './session';
import type { ICodeActManager } from './tokens';

export class CodeActManager implements ICodeActManager {
  constructor(tracker: INotebookTracker, kernels: Kernel.IManager) {
    this._tracker = tracker;
    this._pool = new ChannelPool(kernels);
    tracker.forEach(panel => this._add(panel));
    tracker.widgetAdded.connect((_, panel) => this._add(panel));
    window.addEventListener('pagehide', () => this._sessions.forEach(session => session.leave()));
    tracker.currentChanged.connect(() => this._currentChanged.emit(this.current));
  }

  get current(): CodeActSession | null {
    const panel = this._tracker.currentWidget;
    return panel === null ? null : this.sessionFor(panel);
  }

  get currentChanged(): ISignal<this, CodeActSession | null> {
    return this._currentChanged;
  }

  get sessions(): Iterable<CodeActSession> {
    return this._sessions.values();
  }

  get sessionAdded(): ISignal<this, CodeActSession> {
    return this._sessionAdded;
  }

  sessionFor(panel: NotebookPanel): CodeActSession | null {
    return this._sessions.get(panel) ?? null;
  }

  private _add(panel: NotebookPanel): void {
    if (this._sessions.has(panel)) {
      return;
    }
    const session = new CodeActSession(panel, this._pool);
    this._sessions.set(panel, session);
    panel.disposed.connect(() => {
      this._sessions.delete(panel);
      session.dispose();
    });
    this._sessionAdded.emit(session);
    if (this._tracker.currentWidget === panel) {
      this._currentChanged.emit(session);
    }
  }

  private readonly _tracker: INotebookTracker;
  private readonly _pool: ChannelPool;
  private readonly _sessions = new Map<NotebookPanel, CodeActSession>();
  private readonly _currentChanged = new Signal<this, CodeActSession | null>(this);
  private readonly _sessionAdded = new Signal<this, CodeActSession>(this);
}
