/* What every call of the fake NVML starts with: the state file, and codes and delays to inject. */
#ifndef NVML_STATE_H
#define NVML_STATE_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
    LIBRARY_NOT_FOUND = 12, GPU_IS_LOST = 15, ARGUMENT_VERSION_MISMATCH = 25
};
typedef int result;
typedef void *device; /* never a pointer: generation << 16 | index + 1 */

extern int initialised;     /* nvmlInit minus nvmlShutdown */
extern unsigned generation; /* grows when NVML is initialised, so that an old handle is recognised */

double number(const char *key, double otherwise);
double gpu_number(int gpu, const char *name, double otherwise);
void text(const char *key, const char *otherwise, char *value, unsigned size);
void gpu_text(int gpu, const char *name, const char *otherwise, char *value, unsigned size);
unsigned gpu_count(void);
int index_of(device handle);
device instance_by_uuid(const char *uuid); /* of a MIG instance; 0 where there is none */

void forget_gpm_samples(void); /* of the process, when a test ends without giving them back */

result injected(const char *function); /* counts the call, sleeps, and returns the code to inject */
result enter(const char *function);    /* ... or UNINITIALIZED */
result enter_index(const char *function, int gpu);
result enter_device(const char *function, device handle);

#define ENTER() do { result r_ = enter(__func__); if (r_) return r_; } while (0)
#define ENTER_INDEX(gpu) do { result r_ = enter_index(__func__, (int)(gpu)); if (r_) return r_; } while (0)
#define ENTER_DEVICE(handle) do { result r_ = enter_device(__func__, handle); if (r_) return r_; } while (0)

#endif
