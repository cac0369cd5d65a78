// What the team had done, a bar for each day; the table says it to everybody.
import { api, begun, make, number, say } from './shell.js';

const [kWidth, kHeight] = [600, 160];
const byId = (id) => document.getElementById(id);

function draw(days) {
  const most = Math.max(1, ...days.map(({ jobs }) => jobs));
  const step = kWidth / days.length;
  const bars = days.map(({ jobs }, i) => {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    const height = (jobs / most) * (kHeight - 8);
    for (const [name, value] of Object.entries({ x: i * step + 2, y: kHeight - height, width: step - 4, height, rx: 2 })) bar.setAttribute(name, value);
    return bar;
  });
  byId('chart').replaceChildren(...bars);
}

try {
  const { team } = await begun;
  const [days, kinds] = await Promise.all([api('/api/v1/teams/{team}/usage?by=day'), api('/api/v1/teams/{team}/usage?by=kind')]);
  draw(days.lines);
  byId('kinds').replaceChildren(
    ...kinds.lines.map((line) => make('tr', {}, ...[line.name, ...[line.jobs, line.failures, line.credits].map(number)].map((text) => make('td', { textContent: text })))),
  );
  const jobs = days.lines.reduce((sum, day) => sum + day.jobs, 0);
  say(jobs ? `${team.name} had ${number(jobs)} jobs done` : `${team.name} had no jobs done yet`);
} catch (error) {
  say(error.message, 'problem');
}
