/**
 * The wire between one notebook and the agent in its kernel: a comm, its requests, and what its events add up to.
 */
import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { closeLost, emptySnapshot, reduce, type Snapshot } from './model';
import type { FrontEndMessage, HelloEvent, KernelEvent, ReplyMessage } from './protocol';

export const COMM_TARGET = 'codeact_kernel';

const REQUEST_TIMEOUT_MS = 10_000;
const SUBSHELL_TIMEOUT_MS = 1_500;

/** Omit over each member of a union. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A message with an id, before it gets one. */
export type Request = Without<Extract<FrontEndMessage, { id: string }>, 'v' | 'id'>;

/** A message that nobody answers. */
export type Notification = Without<Exclude<FrontEndMessage, { id: string }>, 'v'>;

interface IPending {
  resolve: (reply: ReplyMessage) => void;
  reject: (reason: Error) => void;
  timer: number;
}

export class KernelChannel implements IDisposable {
  constructor(kernel: Kernel.IKernelConnection) {
    this._kernel = kernel;
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

  /** The kernel process that we talk to, or null before it said. */
  get boot(): string | null {
    return this._boot;
  }

  get snapshot(): Snapshot {
    return this._snapshot;
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
    return this._comm !== null && !this._comm.isDisposed;
  }

  get lastSeq(): number {
    return this._lastSeq;
  }

  /** Open a comm from our side; a kernel without the extension closes it at once. */
  async open(): Promise<void> {
    if (this.hasComm || this._isDisposed || this._kernel.isDisposed) {
      return;
    }
    const comm = this._kernel.createComm(COMM_TARGET);
    this._take(comm);
    await subshellReady(comm, this._kernel);
    if (this._comm !== comm || comm.isDisposed) {
      return;
    }
    comm.open({});
    this._opened.emit();
  }

  /** Take over a comm that the kernel opened; the one before is closed. */
  adopt(comm: Kernel.IComm): void {
    this._take(comm);
    void subshellReady(comm, this._kernel).then(() => {
      if (this._comm === comm && !comm.isDisposed) {
        this._opened.emit();
      }
    });
  }

  /** Send a message that nobody answers; dropped when no comm is open. */
  send(message: Notification): void {
    this._post(message);
  }

  /** Send a request; rejects with a sentence after `timeout` ms, or when the kernel says no. */
  request<R extends ReplyMessage>(message: Request, timeout = REQUEST_TIMEOUT_MS): Promise<R> {
    if (!this.hasComm) {
      return Promise.reject(new Error('The agent of this kernel is not connected.'));
    }
    const id = UUID.uuid4();
    return new Promise<R>((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this._pending.delete(id);
        reject(new Error(`The kernel did not answer within ${timeout / 1000} seconds.`));
      }, timeout);
      this._pending.set(id, { resolve: reply => resolve(reply as R), reject, timer });
      this._post({ ...message, id } as unknown as JSONObject);
    });
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
    this._rejectAll('The notebook was closed.');
    Signal.disconnectReceiver(this);
    if (this.hasComm && !this._kernel.isDisposed) {
      this._comm?.close();
    }
    this._comm = null;
    Signal.clearData(this);
  }

  private _post(message: JSONObject): void {
    if (this._comm !== null && !this._comm.isDisposed) {
      this._comm.send({ v: 1, ...message }, undefined, undefined, true);
    }
  }

  private _take(comm: Kernel.IComm): void {
    const old = this._comm;
    this._comm = comm;
    comm.onMsg = message => {
      // Nothing is awaited here: the kernel connection handles no other message meanwhile.
      if (this._comm === comm) {
        this._onMessage(message.content.data as unknown as KernelEvent | ReplyMessage);
      }
    };
    comm.onClose = () => {
      if (this._comm === comm) {
        this._onClosed();
      }
    };
    if (old !== null && !old.isDisposed) {
      old.onClose = () => undefined;
      old.close();
    }
  }

  private _onMessage(message: KernelEvent | ReplyMessage): void {
    if (message.type === 'reply' || message.type === 'error') {
      this._settle(message);
    } else if (message.type === 'hello') {
      this._onHello(message);
    } else if (message.seq > this._lastSeq) {
      this._lastSeq = message.seq;
      this._set(reduce(this._snapshot, message));
      this._event.emit(message);
    }
  }

  private _onHello(message: HelloEvent): void {
    const same = this._boot === null || this._boot === message.boot;
    if (same && this._connected && message.seq < this._lastSeq) {
      return; // overtaken by events that we have seen
    }
    this._boot = message.boot;
    this._lastSeq = message.seq;
    this._connected = true;
    this._set(reduce(this._snapshot, message, same));
    this._event.emit(message);
  }

  private _settle(message: ReplyMessage): void {
    const pending = this._pending.get(message.re);
    if (pending === undefined) {
      return;
    }
    this._pending.delete(message.re);
    window.clearTimeout(pending.timer);
    if (message.type === 'error') {
      pending.reject(new Error(message.sentence));
    } else {
      pending.resolve(message);
    }
  }

  private _onClosed(): void {
    this._comm = null;
    this._connected = false;
    this._rejectAll('The connection to the agent was closed.');
    this._changed.emit();
  }

  private _onStatus(_: Kernel.IKernelConnection, status: Kernel.Status): void {
    if (['restarting', 'autorestarting', 'dead', 'terminating'].includes(status)) {
      this._comm = null;
      this._connected = false;
      this._rejectAll('The kernel was restarted.');
      this._restarted = true;
      this._lastSeq = 0;
      this._set(closeLost(this._snapshot));
    } else if (this._restarted && (status === 'idle' || status === 'busy')) {
      this._restarted = false;
      void this.open();
    }
  }

  private _onConnectionStatus(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected' && this.hasComm && !this._restarted) {
      this._opened.emit(); // say hello again: events may be missing
    }
  }

  private _onKernelDisposed(): void {
    this._comm = null;
    this._connected = false;
    this._rejectAll('The connection to the kernel was closed.');
    this._lost.emit();
  }

  private _rejectAll(sentence: string): void {
    for (const pending of this._pending.values()) {
      window.clearTimeout(pending.timer);
      pending.reject(new Error(sentence));
    }
    this._pending.clear();
  }

  private _set(snapshot: Snapshot): void {
    this._snapshot = snapshot;
    this._changed.emit();
  }

  private readonly _kernel: Kernel.IKernelConnection;
  private readonly _pending = new Map<string, IPending>();
  private readonly _event = new Signal<this, KernelEvent>(this);
  private readonly _changed = new Signal<this, void>(this);
  private readonly _lost = new Signal<this, void>(this);
  private readonly _opened = new Signal<this, void>(this);
  private _comm: Kernel.IComm | null = null;
  private _connected = false;
  private _boot: string | null = null;
  private _lastSeq = 0;
  private _snapshot = emptySnapshot();
  private _restarted = false;
  private _isDisposed = false;
}

/** Wait until messages go to the comm's subshell, where the kernel has such; never longer than 1.5 s. */
async function subshellReady(comm: Kernel.IComm, kernel: Kernel.IKernelConnection): Promise<void> {
  if (!kernel.supportsSubshells) {
    return;
  }
  // Public on the class since Lab 4.5, not yet on its interface.
  const { subshellStarted } = comm as { subshellStarted?: Promise<void> };
  const started = subshellStarted?.catch(() => undefined);
  const late = new Promise<void>(resolve => window.setTimeout(resolve, SUBSHELL_TIMEOUT_MS));
  await Promise.race([started, late]);
}
