// What a team publishes: a name is taken once, then versions are uploaded.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Answer, ask, type Trouble, troubleOf } from '../core/api';
import { outdate } from '../core/kept';
import { useList } from '../core/list';
import { done } from '../core/notices';
import { Heading } from '../core/router';
import { isAtLeast, type Team } from '../core/session';
import { type Progress, publish } from '../core/upload';
import { count } from '../core/words';
import { Empty, Field, Form, More, Problem, Shown } from '../parts/ui';

type Package = Answer<'get', '/api/v1/teams/{id}/packages'>['packages'][number];

const kMost = 50_000_000; // bytes of a bundle
const keyOf = (team: Team): string => `team/${team.id}/packages`;

export default function Publish({ team }: { team: Team }): JSX.Element {
  const list = useList<Package>(keyOf(team), async (cursor) => {
    const page = await ask('get', '/api/v1/teams/{id}/packages', { path: { id: team.id }, query: { cursor, limit: 50 } });
    return { items: page.packages, next: page.nextCursor };
  });
  const mayPublish = isAtLeast(team.role, 'member');
  const take = async ({ slug = '', name = '', summary = '', category = '' }): Promise<void> => {
    await ask('post', '/api/v1/plugins', { body: { teamId: team.id, slug, name, summary, category } });
    outdate(keyOf(team));
    done(`${name} is yours: upload its first version.`);
  };
  return (
    <>
      <Heading title="Publish" />
      <p>
        A plugin is a folder of web pages with a <code>plugin.json</code>, packed as a zip or tar.gz of at most 50 MB. It runs in a frame of
        its own and may do only what its <code>plugin.json</code> asks for.
      </p>
      <h2>Plugins of {team.name}</h2>
      <Shown kept={list}>
        {({ items, next }) =>
          items.length ? (
            <>
              <ul class="rows">
                {items.map((one) => (
                  <Row key={one.slug} plugin={one} team={team} mayPublish={mayPublish} />
                ))}
              </ul>
              <More next={next} run={list.more} />
            </>
          ) : (
            <Empty>
              <p>{mayPublish ? 'None yet. Take a name for the first one below.' : 'None yet.'}</p>
            </Empty>
          )
        }
      </Shown>
      {mayPublish && (
        <section aria-labelledby="new-plugin">
          <h2 id="new-plugin">A new plugin</h2>
          <Form send={take} button="Take the name" label="A new plugin">
            {(trouble) => (
              <>
                <Field label="Name" name="name" required maxLength={80} trouble={trouble} />
                <Field
                  label="Short name"
                  name="slug"
                  required
                  maxLength={50}
                  autoComplete="off"
                  note="For its address: small letters, digits and hyphens. It can’t be changed."
                  trouble={trouble}
                />
                <Field label="What it does, in a sentence" name="summary" required maxLength={300} trouble={trouble} />
                <Field label="Category" name="category" required maxLength={30} note="One word, such as design or finance." trouble={trouble} />
              </>
            )}
          </Form>
        </section>
      )}
    </>
  );
}

function Row({ plugin, team, mayPublish }: { plugin: Package; team: Team; mayPublish: boolean }): JSX.Element {
  const [progress, setProgress] = useState<Progress>();
  const [trouble, setTrouble] = useState<Trouble>();
  const [live, setLive] = useState<string>();
  const upload = async (input: HTMLInputElement): Promise<void> => {
    const bundle = input.files?.[0];
    input.value = ''; // the same file may be chosen again
    if (!bundle || progress) return;
    setTrouble(undefined);
    setLive(undefined);
    try {
      if (bundle.size > kMost) throw Object.assign(troubleOf(null), { message: 'The bundle is larger than 50 MB. Leave out what the plugin does not need.' });
      const { version } = await publish(plugin.slug, bundle, setProgress);
      setLive(version);
      outdate(keyOf(team));
      outdate('market');
      outdate(`team/${team.id}/my-plugins`);
    } catch (thrown) {
      setTrouble(troubleOf(thrown));
    }
    setProgress(undefined);
  };
  return (
    <li>
      <span class="who">
        <b>{plugin.latestVersion ? <a href={`/marketplace/${plugin.slug}`}>{plugin.name}</a> : plugin.name}</b>
        <span class="note">
          {plugin.slug} · {plugin.category} · {plugin.latestVersion ? `version ${plugin.latestVersion} · ${count(plugin.installs, 'install')}` : 'no version yet'}
        </span>
        {plugin.blockedReason && <span class="wrong">An operator has blocked it: {plugin.blockedReason}</span>}
      </span>
      {mayPublish && !plugin.blockedReason && (
        <label class="button file">
          <input
            type="file"
            accept=".zip,.tgz,.gz,application/zip,application/gzip"
            aria-label={`Upload a version of ${plugin.name}`}
            disabled={!!progress}
            onChange={(event) => void upload(event.currentTarget)}
          />
          Upload a version
        </label>
      )}
      <div class="whole" role="status">
        {progress && (
          <>
            <p class="note">{progress.text}…</p>
            <progress aria-label={`Upload of ${plugin.name}`} value={progress.share} />
          </>
        )}
        {live && <p class="good">Version {live} is live.</p>}
      </div>
      {trouble && <Problem trouble={trouble} />}
    </li>
  );
}
