// Personal access tokens: what somebody's own scripts sign in with.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Answer, ask } from '../core/api';
import { outdate } from '../core/kept';
import { useList } from '../core/list';
import { done } from '../core/notices';
import { Heading } from '../core/router';
import { day, moment } from '../core/words';
import { Confirm, Empty, Field, Form, More, Once, Shown } from '../parts/ui';

type Token = Answer<'get', '/api/v1/user/tokens'>['tokens'][number];

const kKey = 'tokens';
const kDay = 86_400; // seconds
const kLives = [30, 90, 365].map((days) => [String(days * kDay), `${days} days`] as const);
const kScopes: readonly (readonly [string, string])[] = [
  ['read', 'Read'],
  ['read write', 'Read and change'],
];

export default function Tokens(): JSX.Element {
  const [made, setMade] = useState<{ name: string; token: string }>();
  const list = useList(kKey, async (cursor) => {
    const page = await ask('get', '/api/v1/user/tokens', { query: { cursor, limit: 50 } });
    return { items: page.tokens, next: page.nextCursor };
  });
  const make = async ({ name = '', scopes = '', expiresIn }: Record<string, string>): Promise<void> => {
    const body = { name, scopes: scopes.split(' ') as Token['scopes'], expiresIn: Number(expiresIn) };
    setMade(await ask('post', '/api/v1/user/tokens', { body }));
    outdate(kKey);
  };
  const revoke = async ({ id, name }: Token): Promise<void> => {
    await ask('delete', '/api/v1/user/tokens/{id}', { path: { id } });
    setMade(undefined);
    outdate(kKey);
    done(`The token ${name} was revoked: within ten seconds it is refused everywhere.`);
  };
  return (
    <>
      <Heading title="Tokens" />
      <p>A personal access token lets a script of yours do what you may do. Whoever has one is you, so keep it to yourself.</p>
      <Form send={make} button="Make a token" inline label="Make a token">
        {(trouble) => (
          <>
            <Field label="Name" name="name" required maxLength={100} autoComplete="off" trouble={trouble} />
            <Field label="It may" name="scopes" options={kScopes} trouble={trouble} />
            <Field label="Good for" name="expiresIn" options={kLives} trouble={trouble} />
          </>
        )}
      </Form>
      <div role="status">
        {made && <Once label={`The token ${made.name}. Copy it: it is shown only now.`} text={made.token} />}
      </div>
      <h2>Your tokens</h2>
      <Shown kept={list}>
        {({ items, next }) =>
          items.length ? (
            <>
              <ul class="rows">
                {items.map((token) => (
                  <li key={token.id}>
                    <span class="who">
                      <b>{token.name}</b>
                      <span class="note">
                        {token.expiresAt ? `good until ${day(token.expiresAt)}` : 'without an end'},{' '}
                        {token.lastUsedAt ? `last used ${moment(token.lastUsedAt)}` : 'never used'}
                      </span>
                    </span>
                    <span class="tag">{token.scopes.join(' and ')}</span>
                    <Confirm
                      title="Revoke the token?"
                      label={`Revoke the token ${token.name}`}
                      question={<p>Scripts that use {token.name} stop working, and nothing brings it back.</p>}
                      run={() => revoke(token)}
                    >
                      Revoke
                    </Confirm>
                  </li>
                ))}
              </ul>
              <More next={next} run={list.more} />
            </>
          ) : (
            <Empty>
              <p>You have no tokens.</p>
            </Empty>
          )
        }
      </Shown>
    </>
  );
}
