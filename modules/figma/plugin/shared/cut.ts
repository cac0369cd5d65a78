// The first `most` characters of a text, as the API counts them, none of them halved.
export const cut = (text: string, most: number): string => [...text.slice(0, 2 * most)].slice(0, most).join('');
