// Everything that is plugged into this computer, and what a test can change of it.
using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace Mcs.Usb
{
    public static class SimBench
    {
        private static readonly object guard = new object();
        private static readonly List<SimDevice> devices = new List<SimDevice>();

        // Where the locks of devices lie: processes with the same folder share devices.
        public static string LockFolder = Path.GetTempPath();

        // The vendor's text counts enqueued bytes; what is counted has not been measured.
        public static bool CountsBytes = false;

        // Whether a stop also empties the ring of the device.
        public static bool ClearsOnStop = false;

        internal static event Action<SimDevice> Arrived;
        internal static event Action<SimDevice> Left;

        public static SimDevice Add(
            string serialNumber, string name, int nChannels, int dacBits,
            int currentRange, int currentResolution, int voltageRange, int voltageResolution)
        {
            var device = new SimDevice(
                serialNumber, name, nChannels, dacBits,
                currentRange, currentResolution, voltageRange, voltageResolution);
            lock (guard) devices.Add(device);
            return device;
        }

        public static void Clear()
        {
            lock (guard) devices.Clear();
        }

        public static SimDevice Find(string serialNumber)
        {
            return Array.Find(Devices(), device => device.SerialNumber == serialNumber);
        }

        public static SimDevice[] Devices()
        {
            lock (guard) return devices.ToArray();
        }

        // Told by a thread that is not the caller's, as the real assembly tells it.
        internal static void Tell(SimDevice device, bool isArrival)
        {
            Action<SimDevice> told = isArrival ? Arrived : Left;
            if (told == null) return;
            var thread = new Thread(() => told(device));
            thread.IsBackground = true;
            thread.Start();
        }
    }
}
