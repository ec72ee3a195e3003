/**
 * The wire between one notebook and the agent in its kernel: a comm, its requests, and what its events add up to.
 */
import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { closeLost, type IKnown, NOTHING, reduce, type Snapshot } from './model';
import type { FrontEndMessage, HelloEvent, KernelEvent, ReplyMessage } from './protocol';
import { type Request, Requests, type Without } from './requests';
import { COMM_TARGET, findWay, Wire } from './wire';

/** How long a kernel that is idle may leave a comm unanswered, and how often one is opened then. */
const GREETING_MS = 4_000;
const GREETINGS = 2;

/** A message that nobody answers. */
export type Notification = Without<Exclude<FrontEndMessage, { id: string }>, 'v'>;

export class KernelChannel implements IDisposable {
  /** `former`: what was known before, of another kernel perhaps. */
  constructor(kernel: Kernel.IKernelConnection, former: IKnown = NOTHING) {
    this._kernel = kernel;
    this._former = former;
    this._snapshot = closeLost(former.snapshot);
    kernel.statusChanged.connect(this._onStatus, this);
    kernel.connectionStatusChanged.connect(this._onConnectionStatus, this);
    kernel.disposed.connect(this._onKernelDisposed, this);
  }

  get kernel(): Kernel.IKernelConnection {
    return this._kernel;
  }

  /** Whether the agent of this kernel has answered `hello`. */
  get connected(): boolean {
    return this._connected;
  }

  /** Whether it is not known yet if the kernel has an agent. */
  get connecting(): boolean {
    return this._connecting;
  }

  /** The kernel process that we talk to, or null before it said. */
  get boot(): string | null {
    return this._boot;
  }

  /** Whether the kernel's process is being exchanged for another. */
  get restarting(): boolean {
    return this._restart !== null;
  }

  get snapshot(): Snapshot {
    return this._snapshot;
  }

  /** What the next channel of the notebook may go on from. */
  get known(): IKnown {
    return this._boot === null ? this._former : { snapshot: this._snapshot, boot: this._boot };
  }

  /** Emitted for each event, after the snapshot took it in. */
  get event(): ISignal<this, KernelEvent> {
    return this._event;
  }

  /** Emitted when the snapshot or the connection changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when a comm is open and a hello is due. */
  get opened(): ISignal<this, void> {
    return this._opened;
  }

  /** Emitted when the connection that carries the channel is gone, though the kernel may live on. */
  get lost(): ISignal<this, void> {
    return this._lost;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get hasComm(): boolean {
    return this._wire?.isOpen ?? false;
  }

  get lastSeq(): number {
    return this._lastSeq;
  }

  /**
   * Open a comm from our side; a kernel without the extension closes it at once.
   *
   * With `aside`, a kernel that is busy is not waited for.
   */
  async open(aside = false): Promise<void> {
    if (this._opening === null) {
      this._greetings = 0;
      this._begin(aside);
    }
    await this._opening;
  }

  /** Open a comm for an agent that is there now: one that was opened before it came gets no answer. */
  async reopen(): Promise<void> {
    if (this._opening === null && !this._connected) {
      this._drop();
    }
    await this.open();
  }

  /** The notebook says that a restart is over. `kernel`: its own connection, which may not be the one we use. */
  restarted(kernel: Kernel.IKernelConnection): void {
    if (kernel !== this._kernel) {
      this._onRestart(); // other connections do not hear of it
    }
    this._onBack();
  }

  /** Close the comm: the page goes away. */
  leave(): void {
    this._drop();
    this._connected = false;
  }

  /** Send a message that nobody answers; dropped when no comm is open. */
  send(message: Notification): void {
    this._wire?.post(message);
  }

  /** Send a request; rejects with a sentence after `timeout` ms, or when the kernel says no. */
  request<R extends ReplyMessage>(message: Request, timeout?: number): Promise<R> {
    const wire = this._wire;
    if (wire?.isOpen !== true) {
      return Promise.reject(new Error('The agent of this kernel is not connected.'));
    }
    return this._requests.add<R>(
      id => wire.post({ ...message, id } as unknown as JSONObject),
      timeout
    );
  }

  /** Forget the notices, proposals and past runs that `change` leaves out; for the panel's own state. */
  update(change: (snapshot: Snapshot) => Snapshot): void {
    this._set(change(this._snapshot));
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._watch);
    this._requests.rejectAll('The notebook was closed.');
    Signal.disconnectReceiver(this);
    this.leave();
    Signal.clearData(this);
  }

  private _begin(aside: boolean): void {
    const opening = this._open(aside).finally(() => {
      if (this._opening === opening) {
        this._opening = null;
      }
    });
    this._opening = opening;
  }

  private async _open(aside: boolean): Promise<void> {
    if (this.hasComm || this._isDisposed || this._kernel.isDisposed) {
      return;
    }
    const process = this._process;
    this._setConnecting(true);
    try {
      const subshell = await findWay(this._kernel, aside);
      if (process === this._process && !this._isDisposed && !this._kernel.isDisposed) {
        await this._greet(this._take(this._kernel.createComm(COMM_TARGET), subshell));
      }
    } catch (reason) {
      if (process === this._process) {
        this._setConnecting(false);
      }
      console.warn('The kernel takes no comm of CodeAct.', reason);
    }
  }

  private _drop(): void {
    this._wire?.close();
    this._wire = null;
  }

  private _take(comm: Kernel.IComm, subshell: string | null): Wire {
    this._drop();
    const wire = new Wire(this._kernel, comm, subshell, {
      onMessage: (from, message) => {
        if (this._wire === from) {
          this._onMessage(message);
        }
      },
      onClosed: from => {
        if (this._wire === from) {
          this._onClosed('The connection to the agent was closed.');
        }
      }
    });
    this._wire = wire;
    return wire;
  }

  /** Open the comm and have hello said, past the kernel's main shell if it can be. */
  private async _greet(wire: Wire): Promise<void> {
    await wire.ready();
    if (this._wire !== wire) {
      return;
    }
    if (!wire.isOpen) {
      this._onClosed('The connection to the agent was closed.');
      return;
    }
    wire.open();
    this._opened.emit();
    this._await(wire);
  }

  /** An answer may be lost while a kernel comes up: ask again, and in the end take it for a kernel without agent. */
  private _await(wire: Wire): void {
    window.clearTimeout(this._watch);
    this._watch = window.setTimeout(() => {
      if (this._wire !== wire || this._connected) {
        return;
      }
      if (this._kernel.status !== 'idle') {
        this._await(wire); // it may be at something that it must end first
        return;
      }
      this._drop();
      this._greetings += 1;
      if (this._greetings < GREETINGS) {
        this._begin(false);
      } else {
        this._onClosed('The kernel did not answer.');
      }
    }, GREETING_MS);
  }

  private _onMessage(message: KernelEvent | ReplyMessage): void {
    if (message.type === 'reply' || message.type === 'error') {
      this._requests.settle(message);
    } else if (message.type === 'hello') {
      this._onHello(message);
    } else if (message.seq > this._lastSeq) {
      this._lastSeq = message.seq;
      this._set(reduce(this._snapshot, message));
      this._event.emit(message);
    }
  }

  private _onHello(message: HelloEvent): void {
    const again = this._boot === null && this._former.boot === message.boot;
    const same = again || this._boot === null || this._boot === message.boot;
    const before = again ? this._former.snapshot : this._snapshot;
    if (same && this._connected && message.seq < this._lastSeq) {
      return; // overtaken by events that we have seen
    }
    this._boot = message.boot;
    this._lastSeq = message.seq;
    this._connected = true;
    this._connecting = false;
    this._set(reduce(before, message, same));
    this._event.emit(message);
  }

  private _onClosed(sentence: string): void {
    this._wire = null;
    this._connected = false;
    this._connecting = false;
    this._requests.rejectAll(sentence);
    this._changed.emit();
  }

  private _onStatus(_: Kernel.IKernelConnection, status: Kernel.Status): void {
    if (['restarting', 'autorestarting', 'dead', 'terminating'].includes(status)) {
      this._restart = 'ending';
      this._onRestart();
    } else if (this._restart === 'beginning' && (status === 'idle' || status === 'busy')) {
      this._onBack();
    }
  }

  private _onBack(): void {
    this._restart = null;
    this._changed.emit();
    void this.open();
  }

  private _onRestart(): void {
    this._process += 1;
    this._opening = null;
    this._lastSeq = 0;
    this._snapshot = closeLost(this._snapshot);
    this._onClosed('The kernel was restarted.');
  }

  private _onConnectionStatus(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status !== 'connected') {
      return;
    }
    if (this._restart !== null) {
      this._restart = 'beginning'; // Jupyter connects anew when the old process is gone
    } else if (this.hasComm) {
      this._opened.emit(); // say hello again: events may be missing
    }
  }

  private _onKernelDisposed(): void {
    this._onClosed('The connection to the kernel was closed.');
    this._lost.emit();
  }

  private _setConnecting(connecting: boolean): void {
    this._connecting = connecting;
    this._changed.emit();
  }

  private _set(snapshot: Snapshot): void {
    this._snapshot = snapshot;
    this._changed.emit();
  }

  private readonly _kernel: Kernel.IKernelConnection;
  private readonly _requests = new Requests();
  private readonly _event = new Signal<this, KernelEvent>(this);
  private readonly _changed = new Signal<this, void>(this);
  private readonly _lost = new Signal<this, void>(this);
  private readonly _opened = new Signal<this, void>(this);
  private _wire: Wire | null = null;
  private _opening: Promise<void> | null = null;
  private _connecting = false;
  private _connected = false;
  private _boot: string | null = null;
  private _lastSeq = 0;
  private readonly _former: IKnown;
  private _snapshot: Snapshot;
  /** A process that ends may still say that it is idle; only then comes the one that begins. */
  private _restart: 'ending' | 'beginning' | null = null;
  /** Counts the processes of the kernel. */
  private _process = 0;
  private _greetings = 0;
  private _watch = 0;
  private _isDisposed = false;
}
