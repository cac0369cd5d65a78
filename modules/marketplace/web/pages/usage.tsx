// What a team used, day by day, and by kind of job, plugin and member.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { useKept } from '../core/kept';
import { Heading } from '../core/router';
import type { Team } from '../core/session';
import { addressOfTable, type By, kBy, type Row, usageOf } from '../core/usage';
import { number } from '../core/words';
import { Empty, Shown, Skeleton } from '../parts/ui';

const kDay = 86_400_000; // milliseconds
const kSpans = [7, 30, 90] as const;
const kHeads: Record<By, string> = { day: 'Day', kind: 'Kind of job', plugin: 'Plugin', user: 'Member' };
const kNone: Record<By, string> = { day: '', kind: '', plugin: 'Outside of plugins', user: 'Nobody in the team' };
const shortDays = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', timeZone: 'UTC' });
const shortDay = (time: number): string => shortDays.format(new Date(time));
const date = (time: number): string => new Date(time).toISOString().slice(0, 10);

export default function Usage({ team }: { team: Team }): JSX.Element {
  const [span, setSpan] = useState<number>(30);
  const [by, setBy] = useState<By>('kind');
  const [from, to] = [date(Date.now() - (span - 1) * kDay), date(Date.now())];
  const keyOf = (what: By): string => `team/${team.id}/usage/${what}/${from}/${to}`;
  const days = useKept(keyOf('day'), () => usageOf(team.id, 'day', from, to));
  return (
    <>
      <Heading title="Usage" />
      <Shown kept={days} skeleton={<Skeleton lines={3} tall />}>
        {(rows) =>
          rows === null ? (
            <Empty>
              <p>Usage is not there yet: this server does not count it.</p>
            </Empty>
          ) : (
            <>
              <div class="search">
                <select aria-label="Time" value={String(span)} onChange={(event) => setSpan(Number(event.currentTarget.value))}>
                  {kSpans.map((each) => (
                    <option key={each} value={String(each)}>
                      Last {each} days
                    </option>
                  ))}
                </select>
              </div>
              <Sums rows={rows} />
              <Chart title="Jobs a day" rows={rows} from={from} span={span} of={(row) => row.jobs} />
              <Chart title="Credits a day" rows={rows} from={from} span={span} of={(row) => row.credits} />
              <div class="search">
                <h2>In numbers</h2>
                <select aria-label="Numbers by" value={by} onChange={(event) => setBy(event.currentTarget.value as By)}>
                  {kBy.map((each) => (
                    <option key={each} value={each}>
                      By {kHeads[each].toLowerCase()}
                    </option>
                  ))}
                </select>
              </div>
              <p>
                <a href={addressOfTable(team.id, by, from, to)} download>
                  Download as a table (CSV)
                </a>
              </p>
              <Numbers key={keyOf(by)} team={team} by={by} from={from} to={to} keyed={keyOf(by)} />
            </>
          )
        }
      </Shown>
    </>
  );
}

function Sums({ rows }: { rows: Row[] }): JSX.Element {
  const sum = (of: (row: Row) => number): string => number(rows.reduce((all, row) => all + of(row), 0));
  return (
    <dl class="figures">
      <div>
        <dt>Jobs</dt>
        <dd>{sum((row) => row.jobs)}</dd>
      </div>
      <div>
        <dt>Failed</dt>
        <dd>{sum((row) => row.failures)}</dd>
      </div>
      <div>
        <dt>Tokens</dt>
        <dd>{sum((row) => row.tokens)}</dd>
      </div>
      <div>
        <dt>Credits</dt>
        <dd>{sum((row) => row.credits)}</dd>
      </div>
    </dl>
  );
}

interface ChartProps {
  title: string;
  rows: Row[];
  from: string;
  span: number;
  of: (row: Row) => number;
}
// For the eye; the table below has the same for everybody.
function Chart({ title, rows, from, span, of }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const byDay = new Map(rows.map((row) => [row.key.slice(0, 10), of(row)]));
    const begin = Date.parse(from);
    const days = Array.from({ length: span }, (_, i) => begin + i * kDay);
    const data: uPlot.AlignedData = [days.map((day) => day / 1000), days.map((day) => byDay.get(date(day)) ?? 0)];
    const bars = uPlot.paths.bars?.({ size: [0.7, 40] });
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      const style = getComputedStyle(document.documentElement);
      const colour = (name: string): string => style.getPropertyValue(name).trim();
      const axis = { stroke: colour('--text-soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
      plot = new uPlot(
        {
          width: element.clientWidth,
          height: 180,
          legend: { show: false },
          cursor: { show: false },
          tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
          scales: { x: { range: (_, first, last) => [first - kDay / 2000, last + kDay / 2000] }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
          axes: [{ ...axis, size: 28, grid: { show: false }, space: 70, values: (_, times) => times.map((time) => shortDay(time * 1000)) }, { ...axis, size: 56, values: (_, values) => values.map((value) => (Number.isInteger(value) ? number(value) : '')) }],
          series: [{}, { fill: colour('--blue'), points: { show: false }, ...(bars && { paths: bars }) }],
        },
        data,
        element,
      );
    };
    draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const sized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: 180 }));
    sized.observe(element);
    dark.addEventListener('change', draw);
    return () => {
      sized.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [rows, from, span]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}

interface NumbersProps {
  team: Team;
  by: By;
  from: string;
  to: string;
  keyed: string;
}
function Numbers({ team, by, from, to, keyed }: NumbersProps): JSX.Element {
  const kept = useKept(keyed, () => usageOf(team.id, by, from, to));
  const time = (value: number | null): string => (value === null ? '–' : `${number(Math.round(value))} ms`);
  return (
    <Shown kept={kept}>
      {(rows) =>
        rows?.length ? (
          <table class="rows">
            <thead>
              <tr>
                {[kHeads[by], 'Jobs', 'Failed', 'Tokens', 'Credits', 'Half within', '95 % within'].map((head, i) => (
                  <th key={head} class={i ? 'amount' : ''}>
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.key}>
                  <td data-label={kHeads[by]}>{row.name || kNone[by]}</td>
                  <td data-label="Jobs" class="amount">{number(row.jobs)}</td>
                  <td data-label="Failed" class="amount">{number(row.failures)}</td>
                  <td data-label="Tokens" class="amount">{number(row.tokens)}</td>
                  <td data-label="Credits" class="amount">{number(row.credits)}</td>
                  <td data-label="Half within" class="amount">{time(row.p50Ms)}</td>
                  <td data-label="95 % within" class="amount">{time(row.p95Ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : (
          <Empty>
            <p>Nothing was used in this time.</p>
          </Empty>
        )
      }
    </Shown>
  );
}
