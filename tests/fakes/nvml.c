/* A stand-in for NVIDIA's libnvidia-ml.so.1, to be called by the real pynvml.
 *
 * The world it shows is the text file named by $FAKE_NVML_STATE, one "key value" per line, read again
 * at every call, so that a test changes the world by replacing the file. Without the variable there is no
 * driver. N is an index; what is not written has the default in brackets.
 *
 *   gpus 2                      how many there are [1]
 *   driver 580.95.05            version
 *   gpuN.uuid GPU-...           [GPU-0000000N-0000-4000-8000-000000000000]
 *   gpuN.name NVIDIA H200
 *   gpuN.energy_mj 1000         [0], and likewise power_mw, memory_used, utilization, ... as read below
 *   gpuN.clock_event_reasons 4  bits of what holds the clocks down [0]; clock_event_reasons_known of what can [511]
 *   gpuN.capped_ns 5000         field 74, the time under the power cap [0]; -1: it is not supported
 *   gpuN.capped_type 3          the type that its value is said to have [3: 64 bits, unsigned]
 *   gpuN.mig_uuid MIG-...       of its MIG instance
 *   gpuN.since 12.5             from this CLOCK_MONOTONIC second on the counter grows by power_mw
 *   gpuN.gpm 0                  it has no performance monitor
 *   gpuN.gpm.10 63.5            metric 10; one that is not written is not supported
 *   gpuN.gpm.return.10 21       metric 10 has this code of its own
 *   gpm_apart_ms 100            two samples that are not further apart are refused [0]
 *   gpm_room 477                how many metrics the driver takes for granted that there is room for [those asked]
 *   return.FUNCTION 9           FUNCTION returns this code, whatever it is asked
 *   gpuN.return.FUNCTION 3      ... when it is asked of this GPU
 *   gpuN.return 15              every question to this GPU does
 *   sleep_ms.FUNCTION 500       FUNCTION takes this long
 */
#include "nvml_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library and its devices ---- */

EXPORT result nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!getenv("FAKE_NVML_STATE"))
        return LIBRARY_NOT_FOUND;
    result code = injected(__func__);
    if (code)
        return code;
    if (!initialised++)
        generation++;
    return SUCCESS;
}

EXPORT result nvmlShutdown(void) {
    ENTER();
    initialised--;
    return SUCCESS;
}

EXPORT const char *nvmlErrorString(result code) {
    static char message[32];
    snprintf(message, sizeof message, "fake error %d", code);
    return message;
}

EXPORT result nvmlSystemGetDriverVersion(char *value, unsigned size) {
    ENTER();
    text("driver", "580.95.05", value, size);
    return SUCCESS;
}

EXPORT result nvmlSystemGetCudaDriverVersion(int *value) {
    ENTER();
    *value = 13000;
    return SUCCESS;
}

EXPORT result nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER();
    *count = gpu_count();
    return SUCCESS;
}

static device handle_of(unsigned gpu) {
    return (device)((uintptr_t)generation << 16 | (gpu + 1));
}

static void uuid_of(unsigned gpu, char *value, unsigned size) {
    char otherwise[48];
    snprintf(otherwise, sizeof otherwise, "GPU-%08u-0000-4000-8000-000000000000", gpu);
    gpu_text((int)gpu, "uuid", otherwise, value, size);
}

EXPORT result nvmlDeviceGetHandleByIndex_v2(unsigned gpu, device *handle) {
    ENTER_INDEX(gpu);
    if (gpu >= gpu_count())
        return INVALID_ARGUMENT;
    *handle = handle_of(gpu);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetHandleByUUID(const char *uuid, device *handle) {
    ENTER();
    for (unsigned gpu = 0; gpu < gpu_count(); gpu++) {
        char candidate[96];
        uuid_of(gpu, candidate, sizeof candidate);
        if (strcmp(candidate, uuid))
            continue;
        ENTER_INDEX(gpu);
        *handle = handle_of(gpu);
        return SUCCESS;
    }
    *handle = instance_by_uuid(uuid);
    return *handle ? SUCCESS : NOT_FOUND;
}

EXPORT result nvmlDeviceGetIndex(device handle, unsigned *gpu) {
    ENTER_DEVICE(handle);
    *gpu = (unsigned)index_of(handle);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetUUID(device handle, char *value, unsigned size) {
    ENTER_DEVICE(handle);
    uuid_of((unsigned)index_of(handle), value, size);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetName(device handle, char *value, unsigned size) {
    ENTER_DEVICE(handle);
    gpu_text(index_of(handle), "name", "NVIDIA H100 80GB HBM3", value, size);
    return SUCCESS;
}

/* ---- numbers that are one unsigned of the state ---- */

#define ANSWER(function, name, otherwise) \
    EXPORT result function(device handle, unsigned *value) { \
        ENTER_DEVICE(handle); \
        *value = (unsigned)gpu_number(index_of(handle), name, otherwise); \
        return SUCCESS; \
    }

ANSWER(nvmlDeviceGetPowerUsage, "power_mw", 100000)
ANSWER(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw", 700000)
ANSWER(nvmlDeviceGetMemoryBusWidth, "bus_width", 5120)
ANSWER(nvmlDeviceGetNumGpuCores, "cores", 16896)
ANSWER(nvmlDeviceGetArchitecture, "architecture", 9)

EXPORT result nvmlDeviceGetMaxClockInfo(device handle, int clock, unsigned *value) {
    enum { MEMORY = 2 };
    ENTER_DEVICE(handle);
    *value = (unsigned)(clock == MEMORY ? gpu_number(index_of(handle), "max_memory_mhz", 2619)
                                        : gpu_number(index_of(handle), "max_sm_mhz", 1980));
    return SUCCESS;
}

EXPORT result nvmlDeviceGetClockInfo(device handle, int clock, unsigned *value) {
    enum { MEMORY = 2 };
    ENTER_DEVICE(handle);
    *value = (unsigned)(clock == MEMORY ? gpu_number(index_of(handle), "memory_mhz", 2619)
                                        : gpu_number(index_of(handle), "sm_mhz", 1755));
    return SUCCESS;
}

#define MASK(function, name, otherwise) \
    EXPORT result function(device handle, unsigned long long *reasons) { \
        ENTER_DEVICE(handle); \
        *reasons = (unsigned long long)gpu_number(index_of(handle), name, otherwise); \
        return SUCCESS; \
    }

MASK(nvmlDeviceGetCurrentClocksEventReasons, "clock_event_reasons", 0)
MASK(nvmlDeviceGetSupportedClocksEventReasons, "clock_event_reasons_known", 0x1ff)
MASK(nvmlDeviceGetCurrentClocksThrottleReasons, "clock_event_reasons", 0)
MASK(nvmlDeviceGetSupportedClocksThrottleReasons, "clock_event_reasons_known", 0x1ff)

EXPORT result nvmlDeviceGetCudaComputeCapability(device handle, int *major, int *minor) {
    ENTER_DEVICE(handle);
    *major = (int)gpu_number(index_of(handle), "compute_major", 9);
    *minor = (int)gpu_number(index_of(handle), "compute_minor", 0);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetMigMode(device handle, unsigned *current, unsigned *pending) {
    ENTER_DEVICE(handle);
    *current = *pending = (unsigned)gpu_number(index_of(handle), "mig", 0);
    return SUCCESS;
}

/* ---- temperature, utilisation, memory ---- */

typedef struct { unsigned version; int sensor; int celsius; } temperature_v1;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory_v1;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;

EXPORT result nvmlDeviceGetTemperature(device handle, int sensor, unsigned *celsius) {
    (void)sensor;
    ENTER_DEVICE(handle);
    *celsius = (unsigned)gpu_number(index_of(handle), "temperature", 40);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetTemperatureV(device handle, temperature_v1 *value) {
    ENTER_DEVICE(handle);
    if (value->version != (1u << 24 | sizeof *value))
        return ARGUMENT_VERSION_MISMATCH;
    value->celsius = (int)gpu_number(index_of(handle), "temperature", 40);
    return SUCCESS;
}

EXPORT result nvmlDeviceGetUtilizationRates(device handle, utilization *rates) {
    ENTER_DEVICE(handle);
    rates->gpu = (unsigned)gpu_number(index_of(handle), "utilization", 0);
    rates->memory = (unsigned)gpu_number(index_of(handle), "memory_utilization", 0);
    return SUCCESS;
}

static memory_v2 memory_of(int gpu) {
    memory_v2 memory = {0};
    memory.total = (unsigned long long)gpu_number(gpu, "memory_total", 85520809984.0);
    memory.reserved = (unsigned long long)gpu_number(gpu, "memory_reserved", 600000000);
    memory.used = (unsigned long long)gpu_number(gpu, "memory_used", 0);
    memory.free = memory.total - memory.reserved - memory.used;
    return memory;
}

EXPORT result nvmlDeviceGetMemoryInfo(device handle, memory_v1 *value) {
    ENTER_DEVICE(handle);
    memory_v2 memory = memory_of(index_of(handle));
    value->total = memory.total;
    value->free = memory.free;
    value->used = memory.used + memory.reserved; /* as NVML's header says of the first version */
    return SUCCESS;
}

EXPORT result nvmlDeviceGetMemoryInfo_v2(device handle, memory_v2 *value) {
    ENTER_DEVICE(handle);
    unsigned version = value->version;
    if (version != (2u << 24 | sizeof *value))
        return ARGUMENT_VERSION_MISMATCH;
    *value = memory_of(index_of(handle));
    value->version = version;
    return SUCCESS;
}
