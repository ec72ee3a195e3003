/**
 * A saved notebook that is run again in this kernel: looked at first, then run cell by cell or to its end.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type {
  EmptyReply,
  KernelEvent,
  RehearseReply,
  Replay,
  ReplayGoOnReply,
  ReplayOutputsReply,
  ReplayReply
} from './protocol';
import type { CodeActSession } from './session';
import { sentenceOf } from './text';

/** Files that an episode names are hashed before anything is shown. */
const LOOK_MS = 60_000;

export class Replaying {
  constructor(session: CodeActSession) {
    this._session = session;
    session.event.connect(this._onEvent, this);
  }

  /** The replay that is open, or null. */
  replay: Replay | null = null;

  /** Whether a request is under way that opens one or checks one. */
  looking = false;

  /** A sentence about the last thing that failed or was found out, or null. */
  said: string | null = null;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Look at what a replay of a saved notebook would run; nothing runs. */
  async open(path: string): Promise<void> {
    await this._during(async () => {
      const { replay } = await this._session.request<ReplayReply>(
        { type: 'replay', path },
        LOOK_MS
      );
      this.replay = replay;
    });
  }

  /** Run the next cells, once the kernel is free; all that are left without a number. */
  async run(cells?: number): Promise<void> {
    await this._with(replay =>
      this._session.request<EmptyReply>({
        type: 'replay_run',
        replay: replay.name,
        ...(cells === undefined ? {} : { cells })
      })
    );
  }

  stop(): void {
    this._session.send({ type: 'stop' });
  }

  /** Both sides of a cell that ran again. Rejects with a sentence. */
  outputs(replay: string, number: number): Promise<ReplayOutputsReply> {
    return this._session.request<ReplayOutputsReply>({ type: 'replay_outputs', replay, number });
  }

  /** Let the next task go on after the last step that ran again; the task to start, or null where it cannot. */
  async goOn(task: string): Promise<string | null> {
    const reply = await this._with(replay =>
      this._session.request<ReplayGoOnReply>({ type: 'replay_go_on', replay: replay.name, task })
    );
    return reply === null ? null : reply.task;
  }

  /** Check prompts, parser and observations against the record of an episode; nothing runs. */
  async rehearse(path: string): Promise<void> {
    await this._during(async () => {
      const message = { type: 'rehearse', path } as const;
      const reply = await this._session.request<RehearseReply>(message, LOOK_MS);
      this.said = [reply.sentence, ...reply.notes].join('\n');
    });
  }

  close(): void {
    if (this.replay?.state === 'running' || this.replay?.state === 'queued') {
      this.stop();
    }
    this.replay = null;
    this.said = null;
    this._changed.emit();
  }

  dispose(): void {
    this._session.event.disconnect(this._onEvent, this);
    Signal.clearData(this);
  }

  private _onEvent(_: CodeActSession, event: KernelEvent): void {
    if (event.type === 'replay' && event.replay.name === this.replay?.name) {
      this.replay = event.replay;
      this.said = event.replay.problem === '' ? null : event.replay.problem;
      this._changed.emit();
    } else if (event.type === 'hello' && this.replay !== null) {
      this.replay = null; // a kernel that was restarted does not know it
      this._changed.emit();
    }
  }

  private async _with<R>(ask: (replay: Replay) => Promise<R>): Promise<R | null> {
    const { replay } = this;
    if (replay === null) {
      return null;
    }
    try {
      return await ask(replay);
    } catch (error) {
      this.said = sentenceOf(error);
      this._changed.emit();
      return null;
    }
  }

  private async _during(work: () => Promise<void>): Promise<void> {
    this.looking = true;
    this.said = null;
    this._changed.emit();
    try {
      await this._session.ensureLoaded();
      await work();
    } catch (error) {
      this.said = sentenceOf(error);
    }
    this.looking = false;
    this._changed.emit();
  }

  private readonly _session: CodeActSession;
  private readonly _changed = new Signal<this, void>(this);
}
