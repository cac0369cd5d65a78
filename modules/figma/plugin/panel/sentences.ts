// What went wrong, as a sentence a designer understands. Never the server's JSON.

export interface ApiError {
  code: string; // the API's, or: unreachable, slow, stranger
  message: string; // the server's, for a person
  retryAfter: number | null; // seconds
  requestId: string;
}

export const count = (number: number, noun: string): string => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

// Names and texts of anyone's, in whatever direction they are written, so that the sentence around them keeps its own.
export const quoted = (text: string): string => `“\u2068${text}\u2069”`;

const again = ({ retryAfter }: ApiError): string =>
  retryAfter === null
    ? 'try again in a moment.'
    : `try again in ${count(Math.max(1, Math.ceil(retryAfter)), 'second')}.`;

// The server's words, as far as they are a sentence and not a page.
const reason = ({ message }: ApiError): string => {
  const text = message.replace(/\s+/g, ' ').trim().slice(0, 200);
  return text ? ` Its reason: ${text}.`.replace(/\.\.$/, '.') : '';
};

const kSentences: Record<string, (error: ApiError, server: string) => string> = {
  unreachable: (_, server) => `Can't reach ${server}; check the address or your network.`,
  slow: (_, server) => `${server} did not answer in time; check your network and try again.`,
  stranger: (_, server) => `${server} answers, but not as a Plugfleet server; check the address.`,
  rate_limited: (error) => `The server is busy with your last requests; ${again(error)}`,
  unavailable: (error) => `The server is busy; ${again(error)}`,
  request_timeout: () => 'This took the server too long; try again with fewer layers.',
  provider_error: (error) => `The AI service behind the server failed; ${again(error)}`,
  provider_timeout: (error) => `The AI service behind the server took too long; ${again(error)}`,
  payload_too_large: () => 'This is too large to send; select fewer layers.',
  unauthorized: () => 'The server does not accept your access token; look under Settings.',
  forbidden: () => 'The server does not allow this with your access token; look under Settings.',
  not_found: (_, server) => `${server} does not offer this; check the address, or ask who runs it.`,
  invalid_request: (error) => `The server could not use what was sent.${reason(error)}`,
  unprocessable: (error) => `The server could not use what was sent.${reason(error)}`,
  cancelled: () => 'The server cancelled this; try again.',
};

export function sentenceFor(error: ApiError, server: string): string {
  const known = Object.prototype.hasOwnProperty.call(kSentences, error.code) ? kSentences[error.code] : undefined;
  if (known) return known(error, server);
  const number = error.requestId && `, or tell who runs it the number ${error.requestId}`;
  return `Something went wrong on the server; try again${number}.`;
}
