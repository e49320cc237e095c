/** That this process may open no further file, which connections count among: no fault of the server or the network. */

/** What an error of the runtime says, in words where that is the reason. */
export function runtimeFault(error: Error): string {
  const { code } = error as Error & { readonly code?: unknown };
  if (code !== 'EMFILE' && code !== 'ENFILE') return error.message;
  const whose = code === 'EMFILE' ? 'this process' : 'this machine';
  return `${whose} has as many files and connections open as it may (${code}): raise that limit (${code === 'EMFILE' ? 'ulimit -n' : 'fs.file-max'})`;
}
