/* The state file of the fake NVML (nvml.c says what may stand in it), call counts, injected trouble. */
#define _GNU_SOURCE
#include "nvml_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int initialised;
unsigned generation;

/* ---- the state file ---- */

static int lookup(const char *key, char *value, size_t size) {
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file)
        return 0;
    char line[256];
    size_t length = strlen(key);
    int found = 0;
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) || line[length] != ' ')
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, size, "%s", line + length + 1);
        found = 1;
    }
    fclose(file);
    return found;
}

double number(const char *key, double otherwise) {
    char value[64];
    return lookup(key, value, sizeof value) ? atof(value) : otherwise;
}

void text(const char *key, const char *otherwise, char *value, unsigned size) {
    if (!lookup(key, value, size))
        snprintf(value, size, "%s", otherwise);
}

static const char *key_of(int gpu, const char *name) {
    static _Thread_local char key[160];
    snprintf(key, sizeof key, "gpu%d.%s", gpu, name);
    return key;
}

double gpu_number(int gpu, const char *name, double otherwise) {
    return number(key_of(gpu, name), otherwise);
}

void gpu_text(int gpu, const char *name, const char *otherwise, char *value, unsigned size) {
    text(key_of(gpu, name), otherwise, value, size);
}

unsigned gpu_count(void) { return (unsigned)number("gpus", 1); }

/* ---- what every call does first: count itself, sleep, fail ---- */

static struct { char name[64]; unsigned calls; } counted[64];

static void count_call(const char *function) {
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        if (!counted[i].name[0])
            snprintf(counted[i].name, sizeof counted[i].name, "%s", function);
        if (!strcmp(counted[i].name, function)) {
            counted[i].calls++;
            return;
        }
    }
}

result injected(const char *function) {
    char key[160];
    count_call(function);
    snprintf(key, sizeof key, "sleep_ms.%s", function);
    for (double slept = 0; slept < number(key, 0); slept += 5)
        usleep(5000); /* in steps, so that a test can end a hang by taking the line away */
    snprintf(key, sizeof key, "return.%s", function);
    return (result)number(key, SUCCESS);
}

result enter(const char *function) {
    result first = injected(function);
    if (first)
        return first;
    return initialised ? SUCCESS : UNINITIALIZED;
}

result enter_index(const char *function, int gpu) {
    char name[128];
    result first = enter(function);
    if (first)
        return first;
    snprintf(name, sizeof name, "return.%s", function);
    result of_function = (result)gpu_number(gpu, name, SUCCESS);
    return of_function ? of_function : (result)gpu_number(gpu, "return", SUCCESS);
}

int index_of(device handle) { return (int)((uintptr_t)handle & 0xffff) - 1; }

result enter_device(const char *function, device handle) {
    if (initialised && (unsigned)((uintptr_t)handle >> 16) != generation)
        return INVALID_ARGUMENT; /* a handle from before the last nvmlInit */
    result first = enter_index(function, index_of(handle));
    if (first)
        return first;
    return (unsigned)index_of(handle) < gpu_count() ? SUCCESS : GPU_IS_LOST;
}

/* ---- for the tests alone ---- */

EXPORT unsigned fake_nvml_calls(const char *function) {
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        if (!strcmp(counted[i].name, function))
            return counted[i].calls;
    return 0;
}

EXPORT void fake_nvml_reset(void) {
    memset(counted, 0, sizeof counted);
    initialised = 0;
    forget_gpm_samples();
}
