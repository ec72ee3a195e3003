/**
 * The commands of the panel. Where they appear is said in schema/plugin.json.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyJSONObject } from '@lumino/coreutils';

import type { Conversation } from './conversation';
import { codeactIcon } from './icons';
import { activeRun } from './model';
import { aboutCell, errorName } from './notebook';
import { type CodeActPanel, type Conversations, PANEL_ID } from './panel';
import type { Mode } from './protocol';
import { MODES } from './text';

export const CommandIDs = {
  openPanel: 'codeact:open-panel',
  runTask: 'codeact:run-task',
  stop: 'codeact:stop',
  undoStep: 'codeact:undo-step',
  redoStep: 'codeact:redo-step',
  reset: 'codeact:reset',
  explainOrFix: 'codeact:explain-or-fix-cell'
} as const;

/** What the commands act on. */
export interface ICommandContext {
  app: JupyterFrontEnd;
  tracker: INotebookTracker;
  conversations: Conversations;
  panel: CodeActPanel;
}

export function addCommands(context: ICommandContext): void {
  addPanelCommands(context);
  addRunCommands(context);
  addUndoCommands(context);
  addCellCommand(context);
}

function openPanel({ app, panel }: ICommandContext): void {
  app.shell.activateById(PANEL_ID);
  // A panel that has just been shown takes the focus only once it is laid out.
  window.requestAnimationFrame(() => panel.focusTask());
}

function addPanelCommands(context: ICommandContext): void {
  const { commands } = context.app;
  commands.addCommand(CommandIDs.openPanel, {
    label: 'Open the CodeAct Panel',
    caption: 'Ask the agent in this kernel',
    icon: codeactIcon,
    describedBy: noArguments(),
    execute: () => openPanel(context)
  });
}

function addRunCommands(context: ICommandContext): void {
  const { app, conversations } = context;
  const { commands } = app;
  const current = (): Conversation | null => conversations.current;
  commands.addCommand(CommandIDs.runTask, {
    label: 'Run a CodeAct Task',
    caption: 'Give the agent in this kernel a task; without one, the task box is opened',
    isEnabled: () => current() !== null,
    describedBy: { args: taskArguments() },
    execute: async args => {
      const conversation = current();
      openPanel(context);
      if (conversation !== null && typeof args.task === 'string') {
        if (MODES.includes(args.approval as Mode)) {
          conversation.pickMode(args.approval as Mode);
        }
        await conversation.start(args.task);
      }
    }
  });
  commands.addCommand(CommandIDs.stop, {
    label: 'Stop the CodeAct Task',
    describedBy: noArguments(),
    isEnabled: () => current()?.busy ?? false,
    execute: () => current()?.stop()
  });
  commands.addCommand(CommandIDs.reset, {
    label: 'New CodeAct Conversation',
    caption: 'The model no longer gets what was said; variables and cells stay',
    describedBy: noArguments(),
    isEnabled: () => current() !== null && !(current()?.busy ?? false),
    execute: () => current()?.reset()
  });
}

function addUndoCommands(context: ICommandContext): void {
  const { app, conversations } = context;
  const quiet = (): boolean => {
    const conversation = conversations.current;
    return conversation !== null && conversation.session.connected && !conversation.busy;
  };
  app.commands.addCommand(CommandIDs.undoStep, {
    label: 'Undo the Last CodeAct Step',
    caption: 'Variables go back to before the step; files, networks and databases do not',
    describedBy: {
      args: { type: 'object', properties: { steps: { type: 'integer', minimum: 1 } } }
    },
    isEnabled: quiet,
    execute: async args => {
      app.shell.activateById(PANEL_ID);
      await conversations.current?.undo(typeof args.steps === 'number' ? args.steps : 1);
    }
  });
  app.commands.addCommand(CommandIDs.redoStep, {
    label: 'Redo the Undone CodeAct Step',
    describedBy: noArguments(),
    isEnabled: quiet,
    execute: async () => {
      app.shell.activateById(PANEL_ID);
      await conversations.current?.redo();
    }
  });
}

/** The task that a cell gives rise to; a person who wants more says it in the panel. */
export function cellTask(error: string | undefined): string {
  return error === undefined
    ? 'Explain what this cell does, and what could be wrong with it.'
    : `Fix this cell. It ends in: ${errorName(error)}`;
}

function addCellCommand(context: ICommandContext): void {
  const { app, tracker, conversations } = context;
  app.commands.addCommand(CommandIDs.explainOrFix, {
    label: 'Explain or Fix with CodeAct',
    caption: 'The agent explains the cell, or mends it if it ends in an error',
    icon: codeactIcon,
    describedBy: noArguments(),
    isEnabled: () =>
      cellInQuestion(context)?.model.type === 'code' && !(conversations.current?.busy ?? true),
    execute: async () => {
      const cell = cellInQuestion(context);
      const about = cell === null ? null : aboutCell(cell);
      const conversation = conversations.current;
      if (about !== null && conversation !== null && tracker.currentWidget !== null) {
        openPanel(context);
        await conversation.start(cellTask(about.error), { about, after: about.cell_id });
      }
    }
  });
}

/** The cell that was clicked, or the active one. */
function cellInQuestion({ app, tracker }: ICommandContext): Cell | null {
  const content = tracker.currentWidget?.content;
  const node = app.contextMenuHitTest(element => element.classList.contains('jp-Cell'));
  const clicked = content?.widgets.find(cell => cell.node === node);
  return clicked ?? tracker.activeCell;
}

/** Keep menus and toolbar in step with what is going on. */
export function followConversations(commands: CommandRegistry, conversations: Conversations): void {
  let followed: Conversation | null = null;
  let busy: boolean | null = null;
  const refresh = (): void => {
    const now = followed === null ? null : activeRun(followed.session.snapshot) !== null;
    if (now !== busy) {
      busy = now;
      commands.notifyCommandChanged(CommandIDs.stop);
      commands.notifyCommandChanged(CommandIDs.explainOrFix);
      commands.notifyCommandChanged(CommandIDs.reset);
    }
  };
  const follow = (): void => {
    followed?.changed.disconnect(refresh);
    followed = conversations.current;
    followed?.changed.connect(refresh);
    refresh();
  };
  conversations.currentChanged.connect(follow);
  follow();
}

function noArguments(): { args: { type: 'object'; properties: Record<string, never> } } {
  return { args: { type: 'object', properties: {} } };
}

function taskArguments(): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: {
      task: { type: 'string', description: 'What the agent is to do.' },
      approval: { type: 'string', enum: [...MODES], description: 'What may run without asking.' }
    }
  };
}
