// What pages are made of.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { type Trouble, troubleOf } from '../core/api';
import type { Kept } from '../core/kept';
import { problem } from '../core/notices';
import { sessionEnded } from '../core/session';

// ---- Waiting, and what went wrong --------------------------------------------------------------------------------------

export function Problem({ trouble, again }: { trouble: Trouble | string; again?: () => unknown }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <p>{typeof trouble === 'string' ? trouble : trouble.message}</p>
      {again && <Action run={again}>Try again</Action>}
    </div>
  );
}

// Grey bars where `lines` lines will be. They are told to a screen reader in a word.
export function Skeleton({ lines = 3, tall = false }: { lines?: number; tall?: boolean }): JSX.Element {
  return (
    <div class={tall ? 'skeleton tall' : 'skeleton'} role="status">
      <span class="unseen">Loading…</span>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} aria-hidden="true" />
      ))}
    </div>
  );
}

interface ShownProps<T> {
  kept: Kept<T>;
  skeleton?: JSX.Element;
  children: (value: T) => ComponentChildren;
}
// What is kept, with the reason where it could not be asked for anew; until it is there, its skeleton.
export function Shown<T>({ kept, skeleton = <Skeleton />, children }: ShownProps<T>): JSX.Element {
  const { value, trouble, again } = kept;
  useEffect(() => {
    if (trouble) sessionEnded(trouble);
  }, [trouble]);
  return (
    <>
      {trouble && <Problem trouble={trouble} again={again} />}
      {value !== undefined ? children(value) : !trouble && skeleton}
    </>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }): JSX.Element => <div class="empty">{children}</div>;

// ---- Doing something ---------------------------------------------------------------------------------------------------

interface ActionProps {
  run: () => unknown;
  kind?: 'plain' | 'primary' | 'danger' | 'quiet';
  label?: string | undefined; // where the text alone says too little: it begins with the text
  disabled?: boolean;
  children: ComponentChildren;
}
// A button; while what it began is under way it can't be pressed again, and what went wrong becomes a notice.
export function Action({ run, kind = 'plain', label, disabled = false, children }: ActionProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const act = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await run();
    } catch (thrown) {
      problem(thrown);
    }
    setBusy(false);
  };
  return (
    <button type="button" class={kind} aria-label={label} aria-disabled={busy || undefined} disabled={disabled} onClick={act}>
      {children}
    </button>
  );
}

interface ConfirmProps extends ActionProps {
  title: string;
  question: ComponentChildren;
}
// The same with a question first.
export function Confirm({ title, question, run, ...button }: ConfirmProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const sure = async (): Promise<void> => {
    await run();
    dialog.current?.close();
  };
  return (
    <>
      <Action {...button} run={() => dialog.current?.showModal()} />
      <dialog ref={dialog} aria-labelledby={`${id}t`} aria-describedby={`${id}q`}>
        <h2 id={`${id}t`}>{title}</h2>
        <div id={`${id}q`}>{question}</div>
        <div class="actions">
          <Action run={() => dialog.current?.close()}>Cancel</Action>
          <Action kind="danger" run={sure}>
            {title.replace(/\?$/, '')}
          </Action>
        </div>
      </dialog>
    </>
  );
}

// ---- Forms -------------------------------------------------------------------------------------------------------------

interface FormProps {
  send: (values: Record<string, string>) => Promise<unknown>;
  button: string;
  label?: string;
  inline?: boolean;
  children: (trouble: Trouble | undefined) => ComponentChildren;
}
// Its fields' values by name go to `send`; what it throws is shown, at the field that it names too. Sent, it is empty.
export function Form({ send, button, label, inline, children }: FormProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Trouble>();
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy || !form.current) return;
    setBusy(true);
    setTrouble(undefined);
    try {
      await send(Object.fromEntries([...new FormData(form.current)].map(([name, value]) => [name, String(value).trim()])));
      form.current?.reset();
    } catch (thrown) {
      const caught = troubleOf(thrown);
      sessionEnded(caught);
      setTrouble(caught);
    }
    setBusy(false);
  };
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [trouble]);
  return (
    <form ref={form} onSubmit={submit} aria-label={label} class={inline ? 'inline' : ''}>
      {children(trouble)}
      <button class="primary" aria-disabled={busy || undefined}>
        {button}
      </button>
      {trouble && <Problem trouble={trouble} />}
    </form>
  );
}

interface FieldProps {
  label: string;
  name: string;
  type?: 'text' | 'email';
  defaultValue?: string;
  required?: boolean;
  maxLength?: number;
  autoComplete?: string;
  note?: string;
  trouble?: Trouble | undefined;
  options?: readonly (readonly [value: string, text: string])[]; // a <select> of these
}
export function Field({ label, name, note, trouble, options, ...input }: FieldProps): JSX.Element {
  const id = useId();
  const wrong = trouble?.of(name);
  const all = {
    ...input,
    id,
    name,
    'aria-invalid': wrong ? ('true' as const) : undefined,
    'aria-describedby': note || wrong ? `${id}n` : undefined,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {options ? (
        <select id={id} name={name} aria-invalid={all['aria-invalid']} aria-describedby={all['aria-describedby']}>
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input {...(all as object)} />
      )}
      {(wrong || note) && (
        <p id={`${id}n`} class={wrong ? 'wrong' : 'note'}>
          {wrong ?? note}
        </p>
      )}
    </div>
  );
}

// ---- Small things ------------------------------------------------------------------------------------------------------

// A text that is there once, with a button that copies it.
export function Once({ label, text }: { label: string; text: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const id = useId();
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="once">
      <label for={id}>{label}</label>
      <div>
        <input id={id} readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
        <Action run={copy}>{copied ? 'Copied' : 'Copy'}</Action>
      </div>
    </div>
  );
}

export function More({ next, run }: { next: string | null | undefined; run: () => unknown }): JSX.Element | null {
  return next ? (
    <p class="more">
      <Action run={run}>Show more</Action>
    </p>
  ) : null;
}
