/**
 * One open notebook and the agent in its kernel, whichever kernel that is at the time.
 */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { KernelChannel, Notification } from './channel';
import type { ChannelPool } from './channels';
import { NOTHING, type Snapshot } from './model';
import type { KernelEvent, ReplyMessage } from './protocol';
import type { Request } from './requests';
import { clientOf, knewKernel, remember } from './tab';

/** What `kernelChanged` tells; JupyterLab emits it after a restart, too, with the same connection twice. */
interface IKernelChange {
  oldValue: Kernel.IKernelConnection | null;
  newValue: Kernel.IKernelConnection | null;
}

const LOAD_CODE = '%load_ext codeact_kernel';
const HELLO_TIMEOUT_MS = 10_000;
const RESTART_TIMEOUT_MS = 30_000;

export class CodeActSession implements IDisposable {
  constructor(panel: NotebookPanel, pool: ChannelPool) {
    this.panel = panel;
    this._pool = pool;
    this._client = clientOf(panel.context.path);
    panel.sessionContext.kernelChanged.connect(this._onKernelChanged, this);
    panel.sessionContext.statusChanged.connect(this._emitChanged, this);
    this._attach(panel.sessionContext.session?.kernel ?? null);
  }

  readonly panel: NotebookPanel;

  /** Whether the agent of the notebook's kernel has answered `hello`. */
  get connected(): boolean {
    return this._channel?.connected ?? false;
  }

  /** Whether it is not known yet if the kernel has an agent. */
  get connecting(): boolean {
    return this._channel?.connecting ?? false;
  }

  /** The kernel process, as it names itself; null before it said. */
  get boot(): string | null {
    return this._channel?.boot ?? null;
  }

  /** What the kernel's events add up to. */
  get snapshot(): Snapshot {
    return this._channel?.snapshot ?? this._before.snapshot;
  }

  /** Whether the notebook has a kernel that is not dead. */
  get hasKernel(): boolean {
    const kernel = this._channel?.kernel;
    return kernel !== undefined && !kernel.isDisposed && kernel.status !== 'dead';
  }

  /** Emitted for each event of the kernel, after the snapshot took it in. */
  get event(): ISignal<this, KernelEvent> {
    return this._event;
  }

  /** Emitted when snapshot, connection or kernel changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Send a message that nobody answers; dropped when the agent is not connected. */
  send(message: Notification): void {
    this._channel?.send(message);
  }

  /** Ask the kernel; rejects with a sentence after `timeout` ms (10 s), without a kernel, or when it says no. */
  request<R extends ReplyMessage>(message: Request, timeout?: number): Promise<R> {
    if (this._channel === null) {
      return Promise.reject(new Error('This notebook has no kernel.'));
    }
    return this._channel.request<R>(message, timeout);
  }

  /** Interrupt the kernel; part of Stop, for kernels that handle no message while they compute. */
  async interrupt(): Promise<void> {
    await this._channel?.kernel.interrupt();
  }

  /** Say goodbye: the page goes away. What runs goes on in the kernel. */
  leave(): void {
    this._channel?.leave();
  }

  /** Change the panel's own part of the snapshot, e.g. drop a notice that was read. */
  update(change: (snapshot: Snapshot) => Snapshot): void {
    this._channel?.update(change);
  }

  /**
   * Make sure that the agent of this kernel listens: load the extension where it is not.
   *
   * Rejects with a sentence when there is no kernel, or codeact_kernel is not installed there.
   */
  async ensureLoaded(): Promise<void> {
    await this.panel.sessionContext.ready;
    if (this.connected) {
      return;
    }
    this._loading ??= this._load().finally(() => {
      this._loading = null;
    });
    await this._loading;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._detach();
    Signal.disconnectReceiver(this);
    Signal.clearData(this);
  }

  private async _load(): Promise<void> {
    const channel = this._channel;
    if (channel === null) {
      throw new Error('This notebook has no kernel.');
    }
    await backFromRestart(channel);
    await loadExtension(channel.kernel);
    await channel.reopen();
    await helloFrom(channel);
  }

  private _attach(kernel: Kernel.IKernelConnection | null): void {
    this._detach();
    this._kernel = kernel;
    if (kernel !== null) {
      const channel = this._pool.acquire(kernel, this._before);
      this._channel = channel;
      channel.changed.connect(this._emitChanged, this);
      channel.event.connect(this._onEvent, this);
      channel.opened.connect(this._hello, this);
      channel.lost.connect(this._onLost, this);
      void channel.open(knewKernel(this.panel.context.path, kernel.id));
    }
    this._changed.emit();
  }

  private _detach(): void {
    const channel = this._channel;
    if (channel !== null) {
      channel.changed.disconnect(this._emitChanged, this);
      channel.event.disconnect(this._onEvent, this);
      channel.opened.disconnect(this._hello, this);
      channel.lost.disconnect(this._onLost, this);
      this._before = channel.known;
      this._pool.release(channel);
      this._channel = null;
    }
  }

  private _hello(): void {
    this._channel?.send({
      type: 'hello',
      client: this._client,
      notebook: this.panel.context.path,
      last_seq: this._channel.lastSeq,
      cells: true
    });
  }

  private _onKernelChanged(_: unknown, { oldValue, newValue }: IKernelChange): void {
    const kernel = this.panel.sessionContext.session?.kernel ?? null;
    const channel = this._channel;
    if (kernel !== null && kernel === this._kernel && oldValue === newValue && channel !== null) {
      channel.restarted(kernel); // what is under way in the channel goes on
    } else {
      this._attach(kernel);
    }
  }

  /** Another notebook of this page carried our messages, and was closed. */
  private _onLost(): void {
    queueMicrotask(() => {
      const kernel = this.panel.sessionContext.session?.kernel ?? null;
      if (!this._isDisposed && kernel?.isDisposed !== true) {
        this._attach(kernel);
      }
    });
  }

  private _onEvent(channel: KernelChannel, event: KernelEvent): void {
    if (event.type === 'hello') {
      remember(this.panel.context.path, this._client, channel.kernel.id);
    }
    this._event.emit(event);
  }

  private _emitChanged(): void {
    this._changed.emit();
  }

  private readonly _pool: ChannelPool;
  private readonly _client: string;
  private _before = NOTHING;
  private readonly _event = new Signal<this, KernelEvent>(this);
  private readonly _changed = new Signal<this, void>(this);
  private _channel: KernelChannel | null = null;
  private _kernel: Kernel.IKernelConnection | null = null;
  private _loading: Promise<void> | null = null;
  private _isDisposed = false;
}

/** Load our extension silently. Rejects with a sentence when that does not go. */
async function loadExtension(kernel: Kernel.IKernelConnection): Promise<void> {
  const language = (await kernel.info).language_info.name;
  if (language !== 'python') {
    throw new Error(`CodeAct works in Python kernels; this notebook's kernel runs ${language}.`);
  }
  const future = kernel.requestExecute({ code: LOAD_CODE, silent: true, store_history: false });
  const { content } = await future.done;
  if (content.status === 'error') {
    const missing =
      content.ename === 'ModuleNotFoundError' && content.evalue.includes('codeact_kernel');
    throw new Error(
      missing
        ? 'codeact-kernel is not installed in this kernel: run "%pip install codeact-kernel" in a cell.'
        : `codeact-kernel could not be loaded in this kernel: ${content.ename}: ${content.evalue}`
    );
  }
}

/** Wait until a kernel that is being restarted has a process again, or for half a minute. */
async function backFromRestart(channel: KernelChannel): Promise<void> {
  await settled(channel, () => !channel.restarting, RESTART_TIMEOUT_MS);
}

/** Wait for the answer to our hello. */
async function helloFrom(channel: KernelChannel): Promise<void> {
  const over = (): boolean => channel.connected || (!channel.hasComm && !channel.connecting);
  const inTime = await settled(channel, over, HELLO_TIMEOUT_MS);
  if (!channel.connected) {
    throw new Error(
      inTime
        ? 'codeact-kernel is loaded in this kernel, but its agent does not listen.'
        : 'The agent in this kernel did not answer within 10 seconds.'
    );
  }
}

/** Wait until `condition` holds for a channel; whether it does before `timeout` ms are over. */
function settled(
  channel: KernelChannel,
  condition: () => boolean,
  timeout: number
): Promise<boolean> {
  return new Promise(resolve => {
    const finish = (held: boolean): void => {
      window.clearTimeout(timer);
      channel.changed.disconnect(check);
      resolve(held);
    };
    const check = (): void => {
      if (condition()) {
        finish(true);
      }
    };
    const timer = window.setTimeout(() => finish(false), timeout);
    channel.changed.connect(check);
    check();
  });
}
