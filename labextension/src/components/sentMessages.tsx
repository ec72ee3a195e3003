/**
 * What was sent to the model for one step: the exact messages.
 */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import type { Conversation } from '../conversation';
import type { MessagesReply, Run } from '../protocol';
import { count } from '../text';

class SentBody extends ReactWidget {
  constructor(reply: MessagesReply) {
    super();
    this._reply = reply;
    this.addClass('ca-Sent');
    this.node.dataset.testid = 'codeact-sent-dialog';
  }

  protected override render(): React.JSX.Element {
    return <SentMessages reply={this._reply} />;
  }

  private readonly _reply: MessagesReply;
}

function SentMessages(props: { reply: MessagesReply }): React.JSX.Element {
  const { messages, note } = props.reply;
  const characters = messages.reduce((sum, message) => sum + message.content.length, 0);
  return (
    <>
      <p className="ca-Note">
        {messages.length} messages, {count(characters)} characters, exactly as the model received
        them.
        {note !== '' && ` ${note}`}
      </p>
      {messages.map((message, at) => (
        <details key={at} open={at === messages.length - 1 || messages.length < 3}>
          <summary data-testid="codeact-sent-message" data-role={message.role}>
            <span>{message.role}</span>
            <span className="ca-Note">{count(message.content.length)} characters</span>
          </summary>
          <pre tabIndex={0} role="region" aria-label={`Message ${at + 1}, ${message.role}`}>
            {message.content}
          </pre>
        </details>
      ))}
    </>
  );
}

/** Show the messages of a step in a dialog. Rejects with a sentence when the kernel has none. */
export async function showSent(conversation: Conversation, run: Run, step: number): Promise<void> {
  const reply = await conversation.sent(run.run, step);
  const dialog = new Dialog({
    title: `What was sent for step ${step}`,
    body: new SentBody(reply),
    buttons: [Dialog.okButton({ label: 'Close' })],
    hasClose: true
  });
  await dialog.launch();
}
