/**
 * The task box: Enter sends, Shift+Enter breaks the line, Up recalls, and Send is Stop while a run is on.
 */
import { runIcon, stopIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Conversation } from '../conversation';
import { ModelPicker, ModePicker } from './pickers';
import { TaskOptions } from './taskOptions';

export function Composer(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  return (
    <form
      className="ca-Composer"
      aria-label="Task"
      onSubmit={event => {
        event.preventDefault();
        void conversation.send();
      }}
    >
      <TaskBox conversation={conversation} />
      <TaskOptions conversation={conversation} />
      <div className="ca-Composer-row">
        <ModePicker conversation={conversation} />
        <ModelPicker conversation={conversation} />
        <SendButton conversation={conversation} />
      </div>
    </form>
  );
}

function TaskBox(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  const box = React.useRef<HTMLTextAreaElement>(null);
  const recall = useRecall(conversation);
  React.useLayoutEffect(() => {
    // Grow with the text; the style sheet bounds it.
    if (box.current !== null) {
      box.current.style.height = 'auto';
      box.current.style.height = `${box.current.scrollHeight + 2}px`;
    }
  }, [conversation.draft]);
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) {
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      void conversation.send();
    } else if (recall(event.key, event.currentTarget)) {
      event.preventDefault();
    }
  };
  return (
    <textarea
      ref={box}
      className="ca-TaskBox"
      rows={2}
      value={conversation.draft}
      placeholder="Ask for something about your data"
      aria-label="Task for the agent; Enter sends, Shift+Enter breaks the line"
      data-testid="codeact-task"
      onChange={event => conversation.setDraft(event.target.value)}
      onKeyDown={onKeyDown}
    />
  );
}

/** Up in the first line goes back through the tasks, Down forward again; returns whether it did. */
function useRecall(conversation: Conversation): (key: string, box: HTMLTextAreaElement) => boolean {
  const at = React.useRef(-1);
  const own = React.useRef('');
  return (key, box) => {
    const tasks = conversation.recall;
    const shown = at.current >= 0 ? tasks[at.current] : undefined;
    if (shown !== conversation.draft) {
      at.current = -1; // the text was edited: Up begins anew
    }
    const before = box.value.slice(0, box.selectionStart);
    const up = key === 'ArrowUp' && !before.includes('\n') && at.current + 1 < tasks.length;
    const down = key === 'ArrowDown' && at.current >= 0;
    if (!up && !down) {
      return false;
    }
    if (at.current === -1) {
      own.current = conversation.draft;
    }
    at.current += up ? 1 : -1;
    conversation.setDraft(at.current < 0 ? own.current : tasks[at.current]);
    return true;
  };
}

function SendButton(props: { conversation: Conversation }): React.JSX.Element {
  const { conversation } = props;
  if (conversation.busy) {
    const stopping = conversation.session.snapshot.state === 'stopping';
    return (
      <button
        type="button"
        className="ca-Button ca-mod-warn ca-Send"
        title="Stop the model and the cell"
        data-testid="codeact-stop"
        disabled={stopping}
        onClick={() => conversation.stop()}
      >
        <stopIcon.react tag="span" className="ca-Icon" />
        Stop
      </button>
    );
  }
  return (
    <button
      type="submit"
      className="ca-Button ca-mod-primary ca-Send"
      title="Send the task (Enter)"
      data-testid="codeact-send"
      disabled={conversation.draft.trim() === ''}
    >
      <runIcon.react tag="span" className="ca-Icon" />
      Send
    </button>
  );
}
