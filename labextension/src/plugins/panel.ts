/** The side panel, its commands and its settings. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorServices } from '@jupyterlab/codeeditor';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { addCommands, CommandIDs, followConversations } from '../commands';
import { episodeOpener } from '../episodes';
import { CodeActPanel, Conversations } from '../panel';
import { PanelSettings } from '../settings';
import { ICodeActManager } from '../tokens';

const PLUGIN_ID = 'codeact-kernel-labextension:plugin';

const RANK = 850;

async function activate(
  app: JupyterFrontEnd,
  manager: ICodeActManager,
  tracker: INotebookTracker,
  rendermime: IRenderMimeRegistry,
  editors: IEditorServices,
  languages: IEditorLanguageRegistry,
  registry: ISettingRegistry | null,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null
): Promise<void> {
  const loaded = (await registry?.load(PLUGIN_ID).catch(() => null)) ?? null;
  const settings = new PanelSettings(loaded);
  const conversations = new Conversations(manager, settings);
  const panel = new CodeActPanel(conversations, {
    commands: app.commands,
    rendermime,
    editors,
    languages,
    openEpisode: episodeOpener(app)
  });
  const place = (): void => app.shell.add(panel, settings.side, { rank: RANK, type: 'CodeAct' });
  let side = settings.side;
  settings.changed.connect(() => {
    if (settings.side !== side) {
      side = settings.side;
      place();
    }
  });
  place();
  restorer?.add(panel, panel.id);
  void app.restored.then(() => {
    if (settings.side === 'right') {
      place(); // the layout that was restored may be of before this was set
    }
  });
  addCommands({ app, tracker, conversations, panel });
  followConversations(app.commands, conversations);
  for (const command of Object.values(CommandIDs)) {
    palette?.addItem({ command, category: 'CodeAct' });
  }
}

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'The side panel of the agent that lives in the kernel.',
  autoStart: true,
  requires: [
    ICodeActManager,
    INotebookTracker,
    IRenderMimeRegistry,
    IEditorServices,
    IEditorLanguageRegistry
  ],
  optional: [ISettingRegistry, ICommandPalette, ILayoutRestorer],
  activate
};
