"""Tables and labels as text, good and bad."""

import pytest

from pentameter.sources import SourceError
from pentameter.sources.price_files import api_table, gpu_table, node_labels

GPUS = "provider,gpu,dollars_per_gpu_hour\nACME,H100-SXM-80GB,2.5\n"


def trouble(call, *given):
    with pytest.raises(SourceError) as caught:
        call(*given)
    assert caught.value.reason == "malformed"
    return str(caught.value)


def test_the_least_table_has_a_provider_a_gpu_and_a_price():
    [row] = gpu_table(GPUS.encode(), "prices.csv", "file")
    assert (row.provider, row.gpu, row.dollars_per_gpu_hour, row.region, row.origin) == (
        "ACME",
        "H100-SXM-80GB",
        2.5,
        "*",
        "file",
    )


def test_a_byte_order_mark_windows_line_ends_spaces_and_empty_lines_do_not_matter():
    text = "\ufeffprovider, gpu ,dollars_per_gpu_hour\r\n\r\nACME,L4, 0.5\r\n\r\n"
    assert [row.dollars_per_gpu_hour for row in gpu_table(text.encode(), "p", "file")] == [0.5]


def test_a_table_of_apis_is_read_likewise():
    text = "provider,model,input_dollars_per_million,output_dollars_per_million\nACME,m,1,2\n"
    assert [(row.model, row.input, row.output) for row in api_table(text.encode(), "p", "url")] == [("m", 1.0, 2.0)]


def test_a_table_without_rows_holds_no_prices():
    assert gpu_table(b"provider,dollars_per_gpu_hour\n", "p", "file") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.csv, line 1: no column provider, dollars_per_gpu_hour"),
        ("<html>\n", "p.csv, line 1: no column provider, dollars_per_gpu_hour"),
        ("provider,gpu\nA,B\n", "p.csv, line 1: no column dollars_per_gpu_hour"),
        (GPUS.replace("gpu,", "gqu,", 1), "p.csv, line 1: 'gqu' is no column of this table, which has kind, provider"),
        (GPUS.replace("gpu,", "provider,", 1), "p.csv, line 1: a column stands twice"),
        (GPUS + "ACME,L4\n", "p.csv, line 3: 2 cells, the header has 3"),
        (GPUS + "ACME,L4,1,2\n", "p.csv, line 3: 4 cells, the header has 3"),
        (GPUS + "ACME,L4,cheap\n", "p.csv, line 3, column dollars_per_gpu_hour: is 'cheap', not a number of dollars"),
        (GPUS + "\nacme,h100-sxm-80gb,3\n", "p.csv, line 4: is of the same as line 2"),
        (GPUS + '"ACME,L4,1\n', "p.csv, line 3: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_column(text, message):
    assert message in trouble(gpu_table, text.encode(), "p.csv", "file")


def test_what_is_no_text_is_refused():
    assert trouble(gpu_table, b"provider\xff", "p.csv", "file") == "p.csv is not UTF-8: invalid start byte at byte 8"


def test_labels_are_read_as_the_downward_api_writes_them_or_plain():
    text = (
        'node.kubernetes.io/instance-type="p5.48xlarge"\ntopology.kubernetes.io/region=us-east-1\n\nempty=""\nnone=\n'
    )
    assert node_labels(text.encode(), "labels") == {
        "node.kubernetes.io/instance-type": "p5.48xlarge",
        "topology.kubernetes.io/region": "us-east-1",
        "empty": "",
        "none": "",
    }


@pytest.mark.parametrize("line", ["no equals sign", 'a="b', 'a=b"', '="b"', "a b=c"])
def test_a_line_that_is_no_label_is_named(line):
    assert trouble(node_labels, f"a=b\n{line}\n".encode(), "labels") == 'labels, line 2: is not KEY="VALUE"'
