/**
 * The whole panel: whose notebook, what is going on, what was said, what to do next.
 */
import { addIcon, historyIcon, kernelIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Conversation } from '../conversation';
import { allRuns, isPast } from '../model';
import { QuestionCard } from './questionCard';
import { Banners } from './banners';
import { Boundary } from './boundary';
import { IconButton, LinkButton } from './buttons';
import { Composer } from './composer';
import { History } from './history';
import { useSignal, useStickyEnd } from './hooks';
import { RunView } from './runView';
import { StateLine } from './stateLine';
import { StatusCard } from './statusCard';

type Drawer = 'none' | 'history' | 'status';

/** The panel of one notebook, or a line that there is none. */
export function PanelView(props: { conversation: Conversation | null }): React.JSX.Element {
  const { conversation } = props;
  if (conversation === null) {
    return (
      <p className="ca-Empty" data-testid="codeact-empty">
        Open a notebook: the agent lives in its kernel.
      </p>
    );
  }
  return <NotebookView key={conversation.session.panel.id} conversation={conversation} />;
}

function NotebookView(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  useSignal(conversation.changed);
  const [drawer, setDrawer] = React.useState<Drawer>('none');
  const { session, status } = conversation;
  const { connected, snapshot, boot } = session;
  React.useEffect(() => {
    if (connected && boot !== null) {
      void conversation.checkStatus(false);
    }
  }, [conversation, connected, boot]);
  const pulling = Object.values(snapshot.pulls).some(pull => !pull.finished);
  const needsModel = connected && ((status !== null && !status.ready) || pulling);
  const close = (): void => setDrawer('none');
  const showHistory = React.useCallback(() => setDrawer('history'), []);
  return (
    <>
      <Header conversation={conversation} drawer={drawer} onDrawer={setDrawer} />
      {drawer === 'history' && <History conversation={conversation} onClose={close} />}
      {(drawer === 'status' || needsModel) && (
        <StatusCard conversation={conversation} onClose={drawer === 'status' ? close : null} />
      )}
      <Runs conversation={conversation} onHistory={showHistory} />
      {snapshot.question !== null && (
        <QuestionCard
          key={`${snapshot.question.step}-${snapshot.question.sha256}`}
          conversation={conversation}
          question={snapshot.question}
        />
      )}
      <Banners conversation={conversation} />
      <Composer conversation={conversation} />
    </>
  );
}

function Header(props: {
  conversation: Conversation;
  drawer: Drawer;
  onDrawer: (drawer: Drawer) => void;
}): React.JSX.Element {
  const { conversation, drawer, onDrawer } = props;
  const { session } = conversation;
  const name = session.panel.context.path.split('/').pop() ?? '';
  const toggle = (which: Drawer): void => onDrawer(drawer === which ? 'none' : which);
  return (
    <header className="ca-Header">
      <div className="ca-Header-row">
        <h2
          className="ca-Ellipsis"
          title={session.panel.context.path}
          data-testid="codeact-notebook"
        >
          {name}
        </h2>
        <IconButton
          icon={kernelIcon}
          label="Model"
          testid="codeact-show-status"
          pressed={drawer === 'status'}
          disabled={!session.connected}
          onClick={() => toggle('status')}
        />
        <IconButton
          icon={historyIcon}
          label="Saved episodes"
          testid="codeact-show-history"
          pressed={drawer === 'history'}
          disabled={!session.hasKernel}
          onClick={() => toggle('history')}
        />
        <IconButton
          icon={addIcon}
          label="New conversation: variables and cells stay"
          testid="codeact-reset"
          disabled={!session.connected || conversation.busy}
          onClick={() => void conversation.reset()}
        />
      </div>
      <StateLine conversation={conversation} />
    </header>
  );
}

function Runs(props: { conversation: Conversation; onHistory: () => void }): React.JSX.Element {
  const { conversation } = props;
  const { snapshot } = conversation.session;
  const { ref, away, onScroll, jump } = useStickyEnd(snapshot.runs);
  const runs = allRuns(snapshot);
  return (
    <div className="ca-Runs" ref={ref} onScroll={onScroll} data-testid="codeact-runs">
      <div>
        {runs.length === 0 && <Start conversation={conversation} />}
        {runs.map((run, at) => (
          <Boundary key={run.run}>
            <RunView
              conversation={conversation}
              run={run}
              last={at === runs.length - 1}
              past={isPast(snapshot, run)}
              lost={snapshot.lost.includes(run.run)}
              notice={snapshot.notices[run.run]}
              onHistory={props.onHistory}
            />
          </Boundary>
        ))}
      </div>
      {away && (
        <div className="ca-Jump">
          <LinkButton testid="codeact-jump" onClick={jump}>
            to the end
          </LinkButton>
        </div>
      )}
    </div>
  );
}

/** What stands where the conversation will be. */
function Start(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  const { session, pending } = conversation;
  if (!session.hasKernel) {
    return (
      <p className="ca-Empty" data-testid="codeact-empty">
        This notebook has no kernel. Choose one, and the agent lives in it.
      </p>
    );
  }
  if (session.connecting) {
    return (
      <p className="ca-Empty" data-testid="codeact-empty">
        Waiting for the kernel to answer.
      </p>
    );
  }
  if (!session.connected) {
    return (
      <p className="ca-Empty" data-testid="codeact-empty">
        The agent is loaded into this kernel with the first task.{' '}
        <LinkButton
          testid="codeact-load"
          disabled={pending.has('load') || pending.has('start')}
          onClick={() => void conversation.load()}
        >
          Load it now
        </LinkButton>
      </p>
    );
  }
  return (
    <p className="ca-Empty" data-testid="codeact-empty">
      Say what you want to know. The agent writes code, the code runs as cells of this notebook, on
      your own variables.
    </p>
  );
}
