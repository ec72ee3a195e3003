/**
 * What the panel knows and does about one notebook: the draft, the picks, and each of its actions.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { activeRun, allRuns } from './model';
import { insertAfter } from './notebook';
import type {
  About,
  ConfigureReply,
  EmptyReply,
  EpisodeEntry,
  EpisodesReply,
  KernelEvent,
  MessagesReply,
  Mode,
  Question,
  StartMessage,
  StartOptions,
  StartReply,
  StatusReply,
  UndoReply
} from './protocol';
import { Replaying } from './replaying';
import type { CodeActSession } from './session';
import type { PanelSettings } from './settings';
import { type ITaskOptions, sentenceOf, startOptions } from './text';

/** How long Stop waits for the kernel's word before it interrupts the cell itself. */
const STOP_PATIENCE_MS = 400;

/** Undo waits up to 20 s for a kernel that is busy with a cell. */
const SLOW_MS = 25_000;

/** An embedded model that nobody has used yet must be read from disk before it answers. */
const PROBE_MS = 180_000;

/** What a person decided about the cell that waits. */
export interface IDecision {
  decision: 'approve' | 'modify' | 'reject' | 'reply';
  code?: string;
  reason?: string;
  allow?: boolean;
}

/** What a task may carry besides its words. */
export interface IStartExtra {
  about?: About;
  after?: string;
  options?: StartOptions;
}

export class Conversation {
  constructor(session: CodeActSession, settings: PanelSettings) {
    this.session = session;
    this._settings = settings;
    session.changed.connect(this._onSessionChanged, this);
    session.event.connect(this._onEvent, this);
    settings.changed.connect(this._emit, this);
    this.replaying = new Replaying(session);
    this.replaying.changed.connect(this._emit, this);
  }

  readonly session: CodeActSession;

  /** Saved notebooks that are run again. */
  readonly replaying: Replaying;

  /** The text in the task box. */
  draft = '';

  /** Tools, action space and check for the tasks of the box; a check is for one task. */
  options: ITaskOptions = { tools: '', action: '', check: '' };

  /** A sentence about the last thing that failed, or null. */
  trouble: string | null = null;

  /** What the last undo or redo did, or null. */
  undone: UndoReply | null = null;

  /** What the kernel last said about its model, or null. */
  status: StatusReply | null = null;

  /** The saved episodes, or null before they were asked for. */
  episodes: EpisodeEntry[] | null = null;

  /** Since when a request is under way, in epoch ms, by what is asked. */
  readonly pending = new Map<'start' | 'status' | 'undo' | 'episodes' | 'load', number>();

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The kernel process that last said who it is. */
  get boot(): string | null {
    return this._boot;
  }

  /** Whether a run is on or about to begin. */
  get busy(): boolean {
    return this.pending.has('start') || activeRun(this.session.snapshot) !== null;
  }

  /** What may run without asking: the pick for this page, the user's setting, the kernel's. */
  get mode(): Mode {
    return this._mode ?? this._settings.approval ?? this.session.snapshot.settings.approval;
  }

  get model(): string {
    return this._model ?? this.session.snapshot.settings.model;
  }

  /** Tasks of this notebook, newest first, each once. */
  get recall(): string[] {
    const tasks = [...allRuns(this.session.snapshot).map(run => run.task), ...this._tasks];
    return [...new Set(tasks.reverse())];
  }

  setDraft(text: string): void {
    this.draft = text;
    this._emit();
  }

  setOptions(changes: Partial<ITaskOptions>): void {
    this.options = { ...this.options, ...changes };
    this._emit();
  }

  /** Begin the task in the box, with the options beside it. */
  async send(): Promise<void> {
    const { check } = this.options;
    if (await this.start(this.draft, { options: startOptions(this.options) })) {
      this.setOptions({ check: this.options.check === check ? '' : this.options.check });
    }
  }

  /** Pick a mode for this page. It goes out with each task and is stored nowhere. */
  pickMode(mode: Mode): void {
    this._mode = mode;
    this._emit();
  }

  /** Pick a model for this kernel, now if its agent is connected, else with the first task. */
  async pickModel(model: string): Promise<void> {
    this._model = model;
    this.status = null;
    this._emit();
    if (this.session.connected) {
      await this._try(() => this._configureModel());
      await this.checkStatus(false);
    }
  }

  /** Load the agent into the kernel without a task. */
  async load(): Promise<void> {
    await this._during('load', () => this.session.ensureLoaded());
  }

  /** Begin a task; the draft is cleared once the kernel took it. Says whether it did. */
  async start(task: string, extra: IStartExtra = {}): Promise<boolean> {
    if (this.busy || task.trim() === '') {
      return false;
    }
    this._calledOff = false;
    this._tasks.push(task);
    const began = await this._during('start', async () => {
      await this.session.ensureLoaded();
      await this._configureModel();
      if (!this._calledOff) {
        await this.session.request<StartReply>(this._startMessage(task, extra));
      }
    });
    if (began) {
      this.undone = null;
      this.draft = this.draft.trim() === task.trim() ? '' : this.draft;
      this._emit();
    }
    return began;
  }

  /** Stop the run that is on; the kernel is interrupted only if it does not answer while our cell runs. */
  stop(): void {
    this._calledOff = true;
    this.session.send({ type: 'stop' });
    window.setTimeout(() => {
      if (this.session.snapshot.state === 'executing') {
        void this._try(() => this.session.interrupt());
      }
    }, STOP_PATIENCE_MS);
  }

  /** Answer the question that waits; a stale answer is ignored by the kernel. */
  decide(question: Question, decision: IDecision): void {
    const run = activeRun(this.session.snapshot);
    if (run !== null) {
      const { step, sha256 } = question;
      this.session.send({ type: 'approve', run: run.run, step, sha256, ...decision });
    }
  }

  async undo(steps: number): Promise<void> {
    await this._during('undo', async () => {
      this.undone = await this.session.request<UndoReply>({ type: 'undo', steps }, SLOW_MS);
    });
  }

  async redo(): Promise<void> {
    await this._during('undo', async () => {
      this.undone = await this.session.request<UndoReply>({ type: 'redo' }, SLOW_MS);
    });
  }

  /** Begin a new conversation: what was said is no longer sent; variables and cells stay. */
  async reset(): Promise<void> {
    await this._during('start', async () => {
      await this.session.ensureLoaded();
      await this.session.request<EmptyReply>({ type: 'reset' });
      this._forget();
    });
  }

  /** Begin a task that goes on after the last step that was replayed; an empty one is that step's own. */
  async goOn(task: string): Promise<boolean> {
    const wanted = this.busy ? null : await this.replaying.goOn(task.trim());
    if (wanted === null) {
      return false;
    }
    this.replaying.close();
    this._forget();
    void this.start(wanted);
    return true;
  }

  async checkStatus(probe: boolean): Promise<void> {
    await this._during('status', async () => {
      this.status = await this.session.request<StatusReply>(
        { type: 'status', probe },
        probe ? PROBE_MS : SLOW_MS
      );
    });
  }

  async pull(name: string): Promise<void> {
    await this._try(async () => {
      await this.session.request<EmptyReply>({ type: 'pull', name });
    });
  }

  async listEpisodes(): Promise<void> {
    await this._during('episodes', async () => {
      await this.session.ensureLoaded();
      const reply = await this.session.request<EpisodesReply>({ type: 'episodes' });
      this.episodes = reply.episodes;
    });
  }

  /** The exact messages that were sent for a step. Rejects with a sentence. */
  sent(run: string, step: number): Promise<MessagesReply> {
    return this.session.request<MessagesReply>({ type: 'messages', run, step });
  }

  dismiss(what: 'trouble' | 'undone'): void {
    this[what] = null;
    this._emit();
  }

  /** Say what went wrong, where the user looks. */
  say(sentence: string): void {
    this.trouble = sentence;
    this._emit();
  }

  dispose(): void {
    this.session.changed.disconnect(this._onSessionChanged, this);
    this.session.event.disconnect(this._onEvent, this);
    this._settings.changed.disconnect(this._emit, this);
    this.replaying.dispose();
    Signal.clearData(this);
  }

  /** Show no run of the conversation before. */
  private _forget(): void {
    this.undone = null;
    this.session.update(snapshot => ({ ...snapshot, runs: [], past: [], lost: [], notices: {} }));
  }

  /** Tell the kernel which model was picked, if it does not know yet. */
  private async _configureModel(): Promise<void> {
    const model = this._model;
    if (model !== null) {
      const reply = await this.session.request<ConfigureReply>({ type: 'configure', model });
      this._model = null;
      this.session.update(snapshot => ({ ...snapshot, settings: reply.settings }));
    }
  }

  private _startMessage(task: string, extra: IStartExtra): Omit<StartMessage, 'v' | 'id'> {
    const options: StartOptions = { approval: this.mode };
    if (this._settings.maxSteps !== null) {
      options.max_steps = this._settings.maxSteps;
    }
    if (this._settings.whenClosed !== null) {
      options.when_closed = this._settings.whenClosed;
    }
    return {
      type: 'start',
      task,
      notebook: this.session.panel.context.path,
      ...this._below(),
      ...extra,
      options: { ...options, ...extra.options }
    };
  }

  /** Follow-ups go on below what was done before, unless the user has moved on further down. */
  private _below(): { after?: string } {
    const cells = allRuns(this.session.snapshot).flatMap(run =>
      run.steps.map(step => step.cell_id)
    );
    const after = insertAfter(this.session.panel, new Set(cells));
    return after === null ? {} : { after };
  }

  private _onEvent(_: CodeActSession, event: KernelEvent): void {
    if (event.type === 'pull' && event.finished && event.error === '') {
      void this.checkStatus(false);
    }
  }

  private _onSessionChanged(): void {
    const { boot } = this.session;
    if (boot !== null && boot !== this._boot) {
      this._boot = boot;
      this.status = null;
      this.undone = null;
      this.episodes = null;
    }
    this._emit();
  }

  private async _during(
    what: 'start' | 'status' | 'undo' | 'episodes' | 'load',
    work: () => Promise<void>
  ): Promise<boolean> {
    this.pending.set(what, Date.now());
    this.trouble = null;
    this._emit();
    const well = await this._try(work);
    this.pending.delete(what);
    this._emit();
    return well;
  }

  private async _try(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.say(sentenceOf(error));
      return false;
    }
  }

  private _emit(): void {
    this._changed.emit();
  }

  private readonly _settings: PanelSettings;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _tasks: string[] = [];
  private _mode: Mode | null = null;
  private _model: string | null = null;
  private _boot: string | null = null;
  private _calledOff = false;
}
