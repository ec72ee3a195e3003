/**
 * JupyterLab's own code editor, small, inside a React component.
 */
import { CodeEditor } from '@jupyterlab/codeeditor';
import React from 'react';

import { useServices } from './services';

interface ICodeEditorProps {
  /** What the editor starts with; a new value replaces what it holds. */
  source: string;
  label: string;
  testid: string;
  onChange: (source: string) => void;
  /** Shift+Enter or Accel+Enter. */
  onSubmit: () => void;
  /** Escape leaves the editor, since Tab belongs to it. */
  onLeave: () => void;
}

export function EditableCode(props: ICodeEditorProps): React.JSX.Element {
  const { editors } = useServices();
  const host = React.useRef<HTMLDivElement>(null);
  const change = React.useRef(props.onChange);
  change.current = props.onChange;
  const { source, label } = props;
  React.useEffect(() => {
    if (host.current === null) {
      return undefined;
    }
    const model = new CodeEditor.Model({ mimeType: 'text/x-ipython' });
    model.sharedModel.setSource(source);
    const editor = editors.factoryService.newInlineEditor({
      host: host.current,
      model,
      config: { lineNumbers: false, lineWrap: true }
    });
    host.current.querySelector('.cm-content')?.setAttribute('aria-label', label);
    model.sharedModel.changed.connect(() => change.current(model.sharedModel.getSource()));
    return () => {
      editor.dispose();
      model.dispose();
    };
  }, [editors, source, label]);
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const submit = event.key === 'Enter' && (event.shiftKey || event.ctrlKey || event.metaKey);
    if (submit || event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      (submit ? props.onSubmit : props.onLeave)();
    }
  };
  return (
    <div
      className="ca-Editor jp-Editor"
      ref={host}
      data-testid={props.testid}
      onKeyDownCapture={onKeyDown}
    />
  );
}
