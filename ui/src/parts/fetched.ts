/** A read of the server that follows its address, and is made again every so often while it is on screen. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../api/client";

export interface Fetched<T> {
  value: T | null;
  error: ApiError | null;
}

/**
 * One read at a time: while it runs the address may move on, and what comes is shown all the same. A server slower than
 * the address changes would otherwise never be heard. Only another resource (the path without its query) begins anew.
 */
export function useFetched<T>(path: string | null, everyMs = 0): Fetched<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const wanted = useRef(path);
  const read = useRef<() => void>(() => undefined);
  wanted.current = path;
  const resource = path?.split("?")[0] ?? null;
  useEffect(() => {
    setValue(null);
    setError(null);
    if (resource === null) return undefined;
    let [gone, busy, timer] = [false, false, 0];
    const ask = () => {
      const now = wanted.current;
      if (gone || busy || now === null) return;
      clearTimeout(timer);
      busy = true;
      get<T>(now)
        .then((body) => {
          if (gone) return;
          setValue(body);
          setError(null);
        })
        .catch((problem: unknown) => {
          if (!gone) setError(problem instanceof ApiError ? problem : new ApiError(0, "unreadable", String(problem)));
        })
        .finally(() => {
          busy = false;
          if (gone) return;
          if (wanted.current !== now) ask();
          else if (everyMs) timer = window.setTimeout(again, everyMs);
        });
    };
    const again = () => {
      // A page that nobody looks at asks for nothing.
      if (document.hidden) timer = window.setTimeout(again, everyMs);
      else ask();
    };
    read.current = ask;
    ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [resource, everyMs]);
  useEffect(() => read.current(), [path]);
  return { value, error };
}
