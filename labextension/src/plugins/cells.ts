/** The agent's cells in the notebook: runs them, marks them, and lets the user tidy them up. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { checkIcon, closeIcon, filterListIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';

import { keepFinalCells, keptWords, removable, selectAgentCell } from '../cells/commands';
import { CellsController } from '../cells/controller';
import type { ProposalView } from '../cells/diffview';
import { attempts } from '../cells/notebook';
import { PanelSettings } from '../settings';
import { ICodeActManager } from '../tokens';

const SETTINGS_ID = 'codeact-kernel-labextension:plugin';
const CATEGORY = 'CodeAct';
const NOTICE_MS = 6_000;

const CommandIDs = {
  keepFinalCells: 'codeact:keep-final-cells',
  selectNext: 'codeact:select-next-agent-cell',
  selectPrevious: 'codeact:select-previous-agent-cell',
  acceptProposal: 'codeact:accept-proposal',
  rejectProposal: 'codeact:reject-proposal'
};

export const cellsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'codeact-kernel-labextension:cells',
  description: 'Runs the actions of the agent as real cells of the notebook, and marks them.',
  autoStart: true,
  requires: [ICodeActManager, INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    manager: ICodeActManager,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null
  ): void => {
    let settings = new PanelSettings(null);
    void registry
      ?.load(SETTINGS_ID)
      .then(loaded => {
        settings = new PanelSettings(loaded);
      })
      .catch((reason: unknown) => console.warn('The settings of CodeAct are not there.', reason));
    const controller = new CellsController(manager, tracker, () => settings.insertAnswerCell);

    const proposal = (): ProposalView | null => {
      const session = manager.current;
      const cell = session?.panel.content.activeCell;
      return session && cell ? controller.proposalsOf(session).viewOf(cell.model.id) : null;
    };
    addCellCommands(app.commands, () => tracker.currentWidget);
    addProposalCommands(app.commands, proposal);
    for (const command of Object.values(CommandIDs)) {
      palette?.addItem({ command, category: CATEGORY });
    }
    // What can be done changes with the active cell and with every output.
    tracker.activeCellChanged.connect(() => {
      Object.values(CommandIDs).forEach(id => app.commands.notifyCommandChanged(id));
    });
  }
};

function addCellCommands(commands: CommandRegistry, current: () => NotebookPanel | null): void {
  const hasAgentCells = (): boolean => {
    const panel = current();
    return panel !== null && attempts(panel.content).some(cell => cell.mark !== null);
  };
  commands.addCommand(CommandIDs.keepFinalCells, {
    label: 'Keep Only the Final Cells',
    caption:
      'Remove the failed attempts of the agent’s last task from the notebook; the episode keeps them.',
    icon: filterListIcon,
    isEnabled: () => {
      const panel = current();
      return panel !== null && removable(panel).length > 0;
    },
    isVisible: hasAgentCells,
    execute: () => {
      const panel = current();
      if (panel === null) {
        return 0;
      }
      const removed = keepFinalCells(panel);
      Notification.info(keptWords(removed), { autoClose: NOTICE_MS });
      return removed;
    }
  });
  for (const [id, label, by] of [
    [CommandIDs.selectNext, 'Go to the Agent’s Next Cell', 1],
    [CommandIDs.selectPrevious, 'Go to the Agent’s Previous Cell', -1]
  ] as const) {
    commands.addCommand(id, {
      label,
      isEnabled: hasAgentCells,
      execute: async () => {
        const panel = current();
        return panel !== null && (await selectAgentCell(panel, by));
      }
    });
  }
}

function addProposalCommands(commands: CommandRegistry, proposal: () => ProposalView | null): void {
  commands.addCommand(CommandIDs.acceptProposal, {
    label: 'Accept the Proposed Change',
    caption: 'Replace the active cell’s source by what CodeAct proposes.',
    icon: checkIcon,
    isEnabled: () => proposal() !== null,
    execute: () => proposal()?.accept() ?? false
  });
  commands.addCommand(CommandIDs.rejectProposal, {
    label: 'Reject the Proposed Change',
    icon: closeIcon,
    isEnabled: () => proposal() !== null,
    execute: () => proposal()?.reject()
  });
}
