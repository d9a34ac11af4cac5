import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Whether the clock of a process can be set here: on Linux, with a C compiler. */
export const CAN_SET_CLOCK =
  process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0

/** The wall clock of processes that are started with `env`. Their elapsed time stays as it is. */
export interface ClockOfProcess {
  readonly env: Readonly<Record<string, string>>
  /** Sets the clock to so many seconds after the real time. */
  set(seconds: number): Promise<void>
  remove(): Promise<void>
}

/** Takes the place of the calls that read the clock: adds the seconds that a file has. */
const CODE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
  char text[32] = {0};
  const char *path = getenv("CLOCK_FILE");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return 0;
  long count = read(file, text, sizeof text - 1);
  close(file);
  return count > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += ahead();
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}
`

/** Makes a clock for processes that read it from the C library, as workerd does. */
export async function clockOfProcess(): Promise<ClockOfProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-clock-'))
  const [code, library, file] = ['clock.c', 'clock.so', 'ahead'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const set = (seconds: number) => writeFile(file, String(seconds))
  await Promise.all([writeFile(code, CODE), set(0)])
  await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', library, code, '-ldl'])
  return {
    env: { LD_PRELOAD: library, CLOCK_FILE: file },
    set,
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
