/** Flags with a login in them: every user of the machine could read it when the command began. */

import { allOptions } from './options.ts';

const ADDRESSES: ReadonlySet<string> = new Set(['url', 'replicas', 'throttleHttp']);

/** What is to be said of that, a sentence for each such flag. */
export function exposedFlags(args: readonly string[]): readonly string[] {
  return allOptions()
    .filter(({ name, flag }) => ADDRESSES.has(name) && valuesOf(`--${flag}`, args).some(hasPassword))
    .map(({ name, flag, environment }) => {
      const others = name === 'url' ? '--ask-pass, --password-file, --password-command or TABLESHIFT_PASSWORD' : environment;
      return `The password in --${flag} could be read by every user of this machine when the command began; use ${others}.`;
    });
}

function valuesOf(flag: string, args: readonly string[]): readonly string[] {
  return args.flatMap((arg, at) => {
    if (arg.startsWith(`${flag}=`)) return [arg.slice(flag.length + 1)];
    return at > 0 && args[at - 1] === flag ? [arg] : [];
  });
}

function hasPassword(address: string): boolean {
  return /:\/\/[^/@\s]*:[^/\s]+@|:\/\/\S*[?&]password=/.test(address);
}
