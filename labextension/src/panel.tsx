/**
 * The side panel as a widget: it shows the conversation of the notebook in front.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import React from 'react';

import { Boundary } from './components/boundary';
import { PanelView } from './components/panelView';
import { type IPanelServices, ServicesProvider } from './components/services';
import { Conversation } from './conversation';
import { codeactIcon } from './icons';
import type { CodeActSession } from './session';
import type { PanelSettings } from './settings';
import type { ICodeActManager } from './tokens';

export const PANEL_ID = 'codeact-panel';

/** One conversation for each session, made when it is first asked for. */
export class Conversations {
  constructor(manager: ICodeActManager, settings: PanelSettings) {
    this._manager = manager;
    this._settings = settings;
    manager.currentChanged.connect(() => this._currentChanged.emit(this.current));
  }

  get current(): Conversation | null {
    const session = this._manager.current;
    return session === null || session.isDisposed ? null : this.of(session);
  }

  get currentChanged(): ISignal<this, Conversation | null> {
    return this._currentChanged;
  }

  of(session: CodeActSession): Conversation {
    const known = this._known.get(session);
    if (known !== undefined) {
      return known;
    }
    const conversation = new Conversation(session, this._settings);
    this._known.set(session, conversation);
    session.panel.disposed.connect(() => {
      this._known.delete(session);
      conversation.dispose();
    });
    return conversation;
  }

  private readonly _manager: ICodeActManager;
  private readonly _settings: PanelSettings;
  private readonly _known = new Map<CodeActSession, Conversation>();
  private readonly _currentChanged = new Signal<this, Conversation | null>(this);
}

export class CodeActPanel extends ReactWidget {
  constructor(conversations: Conversations, services: IPanelServices) {
    super();
    this._conversations = conversations;
    this._services = services;
    this.id = PANEL_ID;
    this.addClass('ca-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'CodeAct');
    this.node.dataset.testid = PANEL_ID;
    this.title.icon = codeactIcon;
    this.title.caption = 'CodeAct: the agent in your kernel';
    conversations.currentChanged.connect(this._onCurrentChanged, this);
  }

  /** Put the cursor into the task box. */
  focusTask(): void {
    this.node.querySelector<HTMLTextAreaElement>('[data-testid="codeact-task"]')?.focus();
  }

  protected override render(): React.JSX.Element {
    return (
      <ServicesProvider value={this._services}>
        <Boundary>
          <PanelView conversation={this._conversations.current} />
        </Boundary>
      </ServicesProvider>
    );
  }

  private _onCurrentChanged(): void {
    this.update();
  }

  private readonly _conversations: Conversations;
  private readonly _services: IPanelServices;
}
