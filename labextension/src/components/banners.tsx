/**
 * Lines that stand above the task box: nobody is asked, something failed, something was undone.
 */
import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Conversation } from '../conversation';
import { findCell, goToCell } from '../notebook';
import type { ProposalEvent, UndoReply } from '../protocol';
import { IconButton, LinkButton } from './buttons';

export function Banners(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  const { trouble, undone } = conversation;
  const general = conversation.session.snapshot.notices[''];
  return (
    <>
      {conversation.mode === 'auto' && (
        <Banner kind="warn" testid="codeact-auto-banner">
          Every cell runs without asking. Reloading the page ends this.
        </Banner>
      )}
      {general !== undefined && general !== '' && general !== undone?.sentence && (
        <Banner
          kind="plain"
          testid="codeact-general-notice"
          onClose={() => forgetNotice(conversation)}
        >
          {general}
        </Banner>
      )}
      {Object.values(conversation.session.snapshot.proposals).map(proposal => (
        <Proposed key={proposal.cell_id} conversation={conversation} proposal={proposal} />
      ))}
      {undone !== null && <Undone conversation={conversation} undone={undone} />}
      {trouble !== null && (
        <Banner
          kind="error"
          testid="codeact-trouble"
          onClose={() => conversation.dismiss('trouble')}
        >
          {trouble}
        </Banner>
      )}
    </>
  );
}

/** A proposal stands at its cell, which may be far out of view. */
function Proposed(props: {
  conversation: Conversation;
  proposal: ProposalEvent;
}): React.JSX.Element | null {
  const { conversation, proposal } = props;
  const { panel } = conversation.session;
  if (findCell(panel.content, proposal.cell_id) === null) {
    return null; // it is for another notebook of this kernel, or its cell was deleted
  }
  return (
    <Banner kind="plain" testid="codeact-proposed">
      A change to your cell is proposed.{' '}
      <LinkButton
        testid="codeact-goto-proposal"
        onClick={() => void goToCell(panel, proposal.cell_id)}
      >
        look at it
      </LinkButton>
    </Banner>
  );
}

function forgetNotice(conversation: Conversation): void {
  conversation.session.update(snapshot => ({
    ...snapshot,
    notices: { ...snapshot.notices, '': '' }
  }));
}

function Undone(props: { conversation: Conversation; undone: UndoReply }): React.JSX.Element {
  const { conversation, undone } = props;
  const forget = (): void => {
    conversation.dismiss('undone');
    forgetNotice(conversation); // the kernel tells every page what was undone
  };
  return (
    <Banner kind="plain" testid="codeact-undone" onClose={forget}>
      {undone.sentence}
      {undone.not_restored.length > 0 && (
        <ul data-testid="codeact-not-restored">
          {undone.not_restored.map(item => (
            <li key={item.name}>
              <code>{item.name}</code>: {item.reason}
            </li>
          ))}
        </ul>
      )}{' '}
      <LinkButton
        testid="codeact-redo"
        disabled={conversation.pending.has('undo')}
        onClick={() => void conversation.redo()}
      >
        redo
      </LinkButton>
    </Banner>
  );
}

function Banner(props: {
  kind: 'plain' | 'warn' | 'error';
  testid: string;
  onClose?: () => void;
  children: React.ReactNode;
}): React.JSX.Element {
  return (
    <div
      className={`ca-Banner ca-mod-${props.kind}`}
      role={props.kind === 'error' ? 'alert' : 'status'}
      data-testid={props.testid}
    >
      <div className="ca-Banner-text">{props.children}</div>
      {props.onClose !== undefined && (
        <IconButton
          icon={closeIcon}
          label="Dismiss"
          testid={`${props.testid}-dismiss`}
          onClick={props.onClose}
        />
      )}
    </div>
  );
}
