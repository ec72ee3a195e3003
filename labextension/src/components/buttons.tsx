/**
 * The few kinds of buttons of the panel.
 */
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

interface IButtonProps {
  testid: string;
  onClick: () => void;
  children: React.ReactNode;
  title?: string;
  /** Name of the control, where its text does not say enough. */
  label?: string;
  disabled?: boolean;
  pressed?: boolean;
}

function Button(props: IButtonProps & { className: string }): React.JSX.Element {
  return (
    <button
      type="button"
      className={props.className}
      title={props.title}
      aria-label={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

/** A button that shows an icon only; `label` is its name and its tooltip. */
export function IconButton({
  icon: Icon,
  ...props
}: Omit<IButtonProps, 'children' | 'title'> & { icon: LabIcon; label: string }): React.JSX.Element {
  return (
    <Button {...props} className="ca-IconButton" title={props.label}>
      <Icon.react tag="span" className="ca-Icon" />
    </Button>
  );
}

/** A button that reads like a link. */
export function LinkButton(props: IButtonProps): React.JSX.Element {
  return <Button {...props} className="ca-LinkButton" />;
}

/** A button with a face. */
export function PushButton({
  kind = 'plain',
  ...props
}: IButtonProps & { kind?: 'plain' | 'primary' | 'warn' }): React.JSX.Element {
  return <Button {...props} className={`ca-Button ca-mod-${kind}`} />;
}
