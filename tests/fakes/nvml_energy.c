/* Energy, field values and GPM of the fake NVML: what has a clock in it. */
#define _GNU_SOURCE
#include "nvml_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- energy and field values ---- */

static double monotonic_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static unsigned long long energy_mj(int gpu) {
    double energy = gpu_number(gpu, "energy_mj", 0);
    double since = gpu_number(gpu, "since", -1);
    if (since >= 0)
        energy += (monotonic_seconds() - since) * gpu_number(gpu, "power_mw", 100000);
    return (unsigned long long)energy;
}

EXPORT result nvmlDeviceGetTotalEnergyConsumption(device handle, unsigned long long *value) {
    ENTER_DEVICE(handle);
    *value = energy_mj(index_of(handle));
    return SUCCESS;
}

typedef struct {
    uint32_t field, scope;
    int64_t timestamp_us, latency_us;
    uint32_t type;
    result code;
    union { double real; uint32_t word; uint64_t quad; } value;
} field_value;

static void answer_field(int gpu, field_value *field) {
    enum { POWER_CAP = 74, TOTAL_ENERGY = 83, POWER_AVERAGE = 185, POWER_INSTANT = 186, ENERGY = 191 };
    enum { SCOPE_GPU, SCOPE_MODULE, SCOPE_MEMORY };
    enum { UNSIGNED_INT = 1, UNSIGNED_LONG_LONG = 3 };
    static const char *average[] = {"power_mw", "module_power_mw", "memory_power_mw"};
    static const char *instant[] = {"power_instant_mw", "module_power_instant_mw",
                                    "memory_power_instant_mw"};
    int is_power = field->field == POWER_AVERAGE || field->field == POWER_INSTANT;
    field->timestamp_us = (int64_t)(monotonic_seconds() * 1e6);
    field->latency_us = 0;
    field->code = SUCCESS;
    if (field->field == TOTAL_ENERGY || (field->field == ENERGY && field->scope == SCOPE_GPU)) {
        field->type = UNSIGNED_LONG_LONG;
        field->value.quad = energy_mj(gpu);
    } else if (field->field == POWER_CAP) {
        double nanoseconds = gpu_number(gpu, "capped_ns", 0);
        field->type = (uint32_t)gpu_number(gpu, "capped_type", UNSIGNED_LONG_LONG);
        field->value.quad = nanoseconds < 0 ? 0 : (uint64_t)nanoseconds;
        field->code = nanoseconds < 0 ? NOT_SUPPORTED : SUCCESS;
    } else if (is_power && field->scope <= SCOPE_MEMORY) {
        const char *name = (field->field == POWER_AVERAGE ? average : instant)[field->scope];
        double milliwatts = gpu_number(gpu, name, field->scope == SCOPE_GPU ? 100000 : -1);
        field->type = UNSIGNED_INT;
        field->value.word = milliwatts < 0 ? 0 : (uint32_t)milliwatts;
        field->code = milliwatts < 0 ? NOT_SUPPORTED : SUCCESS;
    } else {
        field->code = NOT_SUPPORTED;
    }
}

EXPORT result nvmlDeviceGetFieldValues(device handle, int count, field_value *fields) {
    ENTER_DEVICE(handle);
    for (int i = 0; i < count; i++)
        answer_field(index_of(handle), &fields[i]);
    return SUCCESS;
}

/* ---- GPM: two samples, then metrics between them ---- */

typedef struct { int gpu; unsigned generation; double second; } gpm_sample;
typedef struct { unsigned version, supported; } gpm_support;
typedef struct {
    unsigned id;
    result code;
    double value;
    const char *short_name, *long_name, *unit;
} gpm_metric;
typedef struct { unsigned version, count; gpm_sample *first, *second; gpm_metric metrics[]; } gpm_request;

static unsigned samples_held;

#ifndef WITHOUT_GPM /* a driver from before 2023 has none of these functions */

EXPORT result nvmlGpmQueryDeviceSupport(device handle, gpm_support *support) {
    ENTER_DEVICE(handle);
    support->supported = (unsigned)gpu_number(index_of(handle), "gpm", 1);
    return SUCCESS;
}

EXPORT result nvmlGpmSampleAlloc(gpm_sample **sample) {
    ENTER();
    *sample = calloc(1, sizeof **sample);
    samples_held++;
    return SUCCESS;
}

EXPORT result nvmlGpmSampleFree(gpm_sample *sample) {
    ENTER();
    free(sample);
    samples_held--;
    return SUCCESS;
}

EXPORT result nvmlGpmSampleGet(device handle, gpm_sample *sample) {
    ENTER_DEVICE(handle);
    if (!gpu_number(index_of(handle), "gpm", 1))
        return NOT_SUPPORTED;
    sample->gpu = index_of(handle);
    sample->generation = generation;
    sample->second = monotonic_seconds();
    return SUCCESS;
}

static void answer_metric(int gpu, gpm_metric *metric) {
    char name[32], value[32], code[40];
    snprintf(name, sizeof name, "gpm.%u", metric->id);
    snprintf(code, sizeof code, "gpm.return.%u", metric->id);
    gpu_text(gpu, name, "", value, sizeof value);
    metric->value = atof(value);
    metric->code = value[0] ? (result)gpu_number(gpu, code, SUCCESS) : NOT_SUPPORTED;
}

EXPORT result nvmlGpmMetricsGet(gpm_request *request) {
    ENTER();
    if (request->version != 1)
        return ARGUMENT_VERSION_MISMATCH;
    double apart = request->second->second - request->first->second;
    if (request->first->gpu != request->second->gpu || request->first->generation != generation ||
        request->second->generation != generation || apart <= number("gpm_apart_ms", 0) * 1e-3)
        return INVALID_ARGUMENT;
    /* A real driver may touch all the room that its own header has for metrics, here that of 2026. */
    for (unsigned i = request->count; i < (unsigned)number("gpm_room", 0); i++)
        request->metrics[i].code = NOT_SUPPORTED;
    for (unsigned i = 0; i < request->count; i++)
        answer_metric(request->first->gpu, &request->metrics[i]);
    return SUCCESS;
}

#endif

/* ---- for the tests alone ---- */

EXPORT unsigned fake_nvml_gpm_samples(void) { return samples_held; }

void forget_gpm_samples(void) { samples_held = 0; }
