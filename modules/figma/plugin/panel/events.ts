// The format of an event stream (WHATWG HTML, "Server-sent events"), read part by part.

export interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

const kDataMax = 64_000_000; // characters; a result with its pictures is some megabytes

// Give it the stream's text as it comes; it calls `take` with each whole event. Time is linear in the text, however
// long a line is.
export function eventReader(take: (event: ServerEvent) => void): (part: string) => void {
  let line: string[] = []; // of the line that has not ended
  let size = 0;
  let event = { id: '', name: '', data: [] as string[] };

  const lineEnds = (text: string): void => {
    if (text === '') {
      if (event.data.length) take({ id: event.id, name: event.name || 'message', data: event.data.join('\n') });
      event = { id: event.id, name: '', data: [] };
      size = 0;
      return;
    }
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') event.data.push(value);
    else if (field === 'event') event.name = value;
    else if (field === 'id') event.id = value;
  };

  return (part) => {
    size += part.length;
    if (size > kDataMax) throw new RangeError('the event is too large');
    const [first = '', ...more] = part.split('\n');
    line.push(first);
    for (const next of more) {
      lineEnds(line.join('').replace(/\r$/, ''));
      line = [next];
    }
  };
}
