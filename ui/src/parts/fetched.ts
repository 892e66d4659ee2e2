/** A read of the server that is made anew when its address changes, and again every so often while it is on screen. */
import { useEffect, useState } from "preact/hooks";
import { ApiError, get } from "../api/client";

export interface Fetched<T> {
  value: T | null;
  error: ApiError | null;
  again(): void;
}

export function useFetched<T>(path: string | null, everyMs = 0): Fetched<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setValue(null);
    setError(null);
  }, [path?.split("?")[0]]);
  useEffect(() => {
    if (!path) return undefined;
    let gone = false;
    let timer = 0;
    const read = () => {
      get<T>(path)
        .then((body) => {
          if (gone) return;
          setValue(body);
          setError(null);
        })
        .catch((problem: unknown) => {
          if (!gone) setError(problem instanceof ApiError ? problem : new ApiError(0, "unreadable", String(problem)));
        })
        .finally(() => {
          if (!gone && everyMs) timer = window.setTimeout(() => (document.hidden ? later() : read()), everyMs);
        });
    };
    const later = () => {
      timer = window.setTimeout(() => (document.hidden ? later() : read()), everyMs);
    };
    read();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);
  return { value, error, again: () => setRound((n) => n + 1) };
}
