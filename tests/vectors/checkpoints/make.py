"""Writes the checkpoints beside it with TensorFlow's own savers, and what TensorFlow's own reader
finds in each (expected.json: shape and numbers of arrays of floats, the type of everything else).

usage: python make.py      (last run with TensorFlow 2.21)
"""

import json
import os
import shutil

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_eager_execution()
V1, V2 = tf1.train.SaverDef.V1, tf1.train.SaverDef.V2
FLOATS = ["float16", "bfloat16", "float32", "float64"]
OTHERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "bool", "complex64", "string"]


def numbers(*shape):
    """Numbers that are all different, and exact in every type of float."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 4 - 1


def variable(name, value):
    return tf1.get_variable(name, initializer=value, use_resource=False)


def parts(name, shape, count, axis):
    def window(shape, dtype, partition_info):
        start = partition_info.var_offset
        box = tuple(slice(at, at + length) for at, length in zip(start, shape))
        return tf.constant(numbers(*partition_info.full_shape)[box], dtype)

    partitioner = tf1.fixed_size_partitioner(count, axis)
    tf1.get_variable(name, shape, initializer=window, partitioner=partitioner, use_resource=False)


def types(floats=FLOATS):
    variable("scalar", tf.constant(37.5))
    variable("empty", tf.zeros([0, 4]))
    variable("layer/w", tf.constant(numbers(2, 3, 4)))
    for kind in floats:
        variable("floats/" + kind, tf.cast(numbers(5), kind))
    for kind in OTHERS:
        value = tf.constant(["a", "bc"]) if kind == "string" else tf.cast([0, 1, 2], kind)
        variable("others/" + kind, value)


def partitioned():
    variable("whole", tf.constant(numbers(3)))
    with tf1.device("/cpu:0"):
        parts("rows", [7, 4], 3, 0)
    with tf1.device("/cpu:1"):
        parts("columns", [3, 130], 2, 1)


def adam():
    with tf1.device("/cpu:0"):
        w = variable("layer/w", tf.constant(numbers(2, 3)))
    with tf1.device("/cpu:1"):
        b = variable("layer/b", tf.constant(numbers(5)))
        variable("global_step", tf.constant(5, tf.int64))
    loss = tf.reduce_sum(w * w) + tf.reduce_sum(b * b)
    return tf1.train.AdamOptimizer(0.5).minimize(loss)


def restore(path, name, kind):
    with tf1.Graph().as_default(), tf1.Session() as session:
        op = tf.raw_ops.RestoreV2 if os.path.exists(path + ".index") else tf.raw_ops.Restore
        if op is tf.raw_ops.RestoreV2:
            found = op(prefix=path, tensor_names=[name], shape_and_slices=[""], dtypes=[kind])[0]
        else:
            found = op(file_pattern=path, tensor_name=name, dt=kind)
        return session.run(found)


def make(folder, build, **options):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), folder)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with tf1.Graph().as_default():
        tf1.set_random_seed(37)
        step = build()
        saver = tf1.train.Saver(save_relative_paths=True, **options)
        with tf1.Session(config=tf1.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(tf1.global_variables_initializer())
            if step is not None:
                session.run(step)
            prefix = os.path.join(folder, "model.ckpt")
            path = saver.save(session, prefix, global_step=5, write_meta_graph=False)
    reader = tf1.train.NewCheckpointReader(path)
    found = {}
    for name, kind in sorted(reader.get_variable_to_dtype_map().items()):
        if kind.name in FLOATS:
            value = restore(path, name, kind).astype(np.float64)
            found[name] = {"shape": list(value.shape), "values": value.ravel().tolist()}
        else:
            found[name] = kind.name
    with open(os.path.join(folder, "expected.json"), "w") as out:
        json.dump(found, out, separators=(",", ":"))


make("v2", types, write_version=V2)
make("v2-adam-shards", adam, write_version=V2, sharded=True)
make("v2-partitioned", partitioned, write_version=V2, sharded=True)
# A V1 file has no place for bfloat16.
make("v1", lambda: types(["float16", "float32", "float64"]), write_version=V1)
make("v1-partitioned", partitioned, write_version=V1)
make("v1-shards", partitioned, write_version=V1, sharded=True)
